// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {RewardDistributor} from "../../../src/RewardDistributor.sol";
import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IStakeVault} from "../../../src/interfaces/IStakeVault.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title What the owner can set, and what nobody can.
contract SettingsTest is FlockTest {
    function test_constructor_setsFlocksClaimFeesAndItsParts() public view {
        IRewardDistributor.ClaimFees memory fees = distributor.claimFees();
        assertEq(fees.hostPpm, 0, "hosts");
        assertEq(fees.operatorPpm, 80_000, "operators");
        assertEq(fees.delegatorPpm, 145_000, "delegators");
        assertEq(distributor.owner(), owner, "owner");
        assertEq(distributor.treasury(), treasury, "treasury");
        assertEq(distributor.REGISTRY(), address(models), "registry");
        assertEq(address(meter.DISTRIBUTOR()), address(distributor), "meter");
        assertEq(address(vault.HOOK()), address(distributor), "vault");
        assertEq(vault.STAKE_TOKEN(), address(stakeToken), "stake token");
        assertEq(emissions.DISTRIBUTOR(), address(distributor), "emissions");
        assertEq(emissions.PAYMENT_TOKEN(), address(token), "payment token");
    }

    function test_constructor_revertsForMissingAddresses() public {
        bytes memory missing = abi.encodeWithSelector(IRewardDistributor.AddressMissing.selector);
        address[4] memory all = [address(token), address(stakeToken), address(models), treasury];
        for (uint256 i; i < 4; ++i) {
            address kept = all[i];
            all[i] = address(0);
            vm.expectRevert(missing);
            new RewardDistributor(owner, all[0], all[1], all[2], all[3], GAMMA_PPM);
            all[i] = kept;
        }
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0)));
        new RewardDistributor(address(0), all[0], all[1], all[2], all[3], GAMMA_PPM);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.GammaInvalid.selector, 500_001));
        new RewardDistributor(owner, all[0], all[1], all[2], all[3], 500_001);
    }

    function test_owner_setsRatesUnderTheCap() public {
        vm.startPrank(owner);
        bytes memory tooHigh = abi.encodeWithSelector(IRewardDistributor.ClaimFeeTooHigh.selector, 200_001);
        vm.expectRevert(tooHigh);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(200_001, 0, 0));
        vm.expectRevert(tooHigh);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 200_001, 0));
        vm.expectRevert(tooHigh);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 0, 200_001));

        IRewardDistributor.ClaimFees memory fees = IRewardDistributor.ClaimFees(10_000, 200_000, 30_000);
        vm.expectEmit(address(distributor));
        emit IRewardDistributor.ClaimFeesSet(fees);
        distributor.setClaimFees(fees);

        assertEq(keccak256(abi.encode(distributor.claimFees())), keccak256(abi.encode(fees)), "rates");
        distributor.setClaimFees(IRewardDistributor.ClaimFees(200_000, 200_000, 200_000));
        assertEq(distributor.claimFees().hostPpm, 200_000, "the cap itself");
    }

    function test_lowestClaimFeeSince_knowsEachRateThatWasInForce() public {
        uint256 today = block.timestamp / 1 days;
        assertEq(distributor.lowestClaimFeeSince(today + 1), 80_000, "operators pay less");
        vm.warp((today + 2) * 1 days);
        vm.startPrank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 200_000, 190_000));
        vm.warp((today + 4) * 1 days);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 30_000, 40_000));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 60_000, 50_000));

        assertEq(distributor.lowestClaimFeeSince(0), 30_000, "of all times");
        assertEq(distributor.lowestClaimFeeSince(today + 4), 30_000, "for a moment of the day");
        assertEq(distributor.lowestClaimFeeSince(today + 5), 50_000, "not any more");
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 45_000, 70_000));
        assertEq(distributor.lowestClaimFeeSince(today + 4), 30_000, "the lowest of the day");
        assertEq(distributor.lowestClaimFeeSince(today + 5), 45_000, "the last of the day");
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 200_000, 200_000));
        vm.warp((today + 9) * 1 days);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 100_000, 200_000));

        assertEq(distributor.lowestClaimFeeSince(today + 4), 30_000, "nothing that came later changes it");
        assertEq(distributor.lowestClaimFeeSince(today + 9), 100_000, "the rate that the day began with was higher");
        assertEq(distributor.lowestClaimFeeSince(today + 10), 100_000, "now");
    }

    /// The lowest rate of a day may also be its last.
    function test_lowestClaimFeeSince_followsRatesThatFallWithinADay() public {
        uint256 today = block.timestamp / 1 days + 1;
        vm.warp(today * 1 days);
        vm.startPrank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 70_000, 75_000));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 20_000, 25_000));

        assertEq(distributor.lowestClaimFeeSince(today), 20_000, "fell");
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 60_000, 55_000));
        assertEq(distributor.lowestClaimFeeSince(today), 20_000, "and rose again");
    }

    /// Settling reads the rates of past days, so that many changes within one must not make it dearer.
    function test_setClaimFees_addsOneEntryADay() public {
        uint256 today = block.timestamp / 1 days + 1;
        vm.warp(today * 1 days);
        vm.startPrank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 70_000, 75_000));
        uint256 before = gasleft();
        distributor.lowestClaimFeeSince(today);
        uint256 costOfOne = before - gasleft();
        for (uint24 i; i < 50; ++i) {
            distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 70_000 + i, 75_000));
        }

        before = gasleft();
        distributor.lowestClaimFeeSince(today);
        assertLe(before - gasleft(), 2 * costOfOne, "as many entries as before");
    }

    function test_owner_setsTreasuryAndAttesters() public {
        vm.startPrank(owner);
        vm.expectRevert(IRewardDistributor.AddressMissing.selector);
        distributor.setTreasury(address(0));
        vm.expectRevert(IRewardDistributor.AddressMissing.selector);
        distributor.setAttester(address(0), true);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.TreasurySet(host);
        distributor.setTreasury(host);
        vm.expectEmit(address(distributor));
        emit IRewardDistributor.AttesterSet(attester, false);
        distributor.setAttester(attester, false);

        assertEq(distributor.treasury(), host, "treasury");
        assertTrue(!distributor.isAttester(attester), "attester");
    }

    function test_owner_changesInTwoSteps() public {
        vm.prank(owner);
        distributor.transferOwnership(host);
        assertEq(distributor.owner(), owner, "not yet");
        vm.prank(host);
        distributor.acceptOwnership();

        vm.prank(host);
        meter.setRequestsPaused(true);

        assertTrue(meter.requestsPaused(), "the new owner may");
    }

    function test_settings_areForTheOwnerAlone() public {
        bytes memory refused = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, host);
        vm.startPrank(host);
        vm.expectRevert(refused);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 0, 0));
        vm.expectRevert(refused);
        distributor.setTreasury(host);
        vm.expectRevert(refused);
        distributor.setAttester(host, true);
    }

    /// Not even the owner writes into the books.
    function test_books_areForTheirCallersAlone() public {
        vm.startPrank(owner);
        bytes memory notMeter = abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, owner);
        vm.expectRevert(notMeter);
        distributor.takeEscrow(1);
        vm.expectRevert(notMeter);
        distributor.bookFee(modelId, 1, 0, 0, host, 0);
        vm.expectRevert(notMeter);
        distributor.refundEscrow(host, 1);
        vm.expectRevert(notMeter);
        distributor.takeBalance(requester, 1);
        IStakeVault.Stake memory stake;
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotVault.selector, owner));
        distributor.beforeStakeChange(host, stake, host, 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotEmissions.selector, owner));
        distributor.noteFundedEpoch(1);
    }

    function test_tableDigest_isBoundToThisContractAndChain() public {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("FLock RewardDistributor"),
                keccak256("1"),
                block.chainid,
                address(distributor)
            )
        );
        assertEq(distributor.domainSeparator(), domain, "domain");
        vm.chainId(1);
        assertTrue(distributor.domainSeparator() != domain, "another chain");
    }
}
