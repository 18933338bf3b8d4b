// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {EmissionProgram} from "../../../src/EmissionProgram.sol";
import {RewardDistributor} from "../../../src/RewardDistributor.sol";
import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {FeeToken} from "../../mocks/FeeToken.sol";
import {GivingHook} from "../../mocks/GivingHook.sol";
import {OddToken} from "../../mocks/OddToken.sol";
import {EmissionSetup} from "./EmissionSetup.t.sol";

/// @title How emissions come in: funding, pools that nobody used, gamma.
contract EmissionFundingTest is EmissionSetup {
    /// @dev The last day that can be funded: 65,535 is kept free as the end of the range.
    uint256 internal constant LAST_EPOCH = type(uint16).max - 1;

    function test_fund_addsTheSameToEachEpoch() public {
        for (uint256 i; i < 3; ++i) {
            vm.expectEmit(address(emissions));
            emit IEmissionProgram.EpochFunded(EPOCH + i, funder, 1_000e18 + 1);
        }
        vm.prank(funder);
        emissions.fund(EPOCH, 3, 1_000e18 + 1);

        for (uint256 i; i < 3; ++i) {
            _assertPool(EPOCH + i, 1_000e18 + 1, 0);
        }
        _assertPool(TODAY, 0, 0);
        _assertPool(EPOCH + 3, 0, 0);
        assertEq(emissions.reserves(), 3_000e18 + 3, "reserves");
        assertEq(token.balanceOf(address(emissions)), 3_000e18 + 3, "and the tokens for them");
    }

    function test_fund_addsUpWhoeverFunds() public {
        token.mint(host, 5);
        vm.startPrank(host);
        token.approve(address(emissions), 5);
        emissions.fund(EPOCH, 1, 5);
        vm.stopPrank();
        vm.prank(funder);
        emissions.fund(EPOCH, 2, 7);

        _assertPool(EPOCH, 12, 0);
        _assertPool(EPOCH + 1, 7, 0);
        assertEq(emissions.reserves(), 19, "reserves");
    }

    function test_fund_revertsForEpochsThatHaveBegun() public {
        vm.startPrank(funder);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, TODAY));
        emissions.fund(TODAY, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, TODAY - 1));
        emissions.fund(TODAY - 1, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, 0));
        emissions.fund(0, 1, 1);

        vm.warp(EPOCH * 1 days - 1);
        emissions.fund(EPOCH, 1, 1);
        _beginDay(EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, EPOCH));
        emissions.fund(EPOCH, 1, 1);
    }

    function test_fund_revertsBeyondTheLastEpoch() public {
        vm.startPrank(funder);
        emissions.fund(LAST_EPOCH, 1, 1);
        bytes memory refusal = abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, LAST_EPOCH + 1);
        vm.expectRevert(refusal);
        emissions.fund(LAST_EPOCH, 2, 1);
        vm.expectRevert(refusal);
        emissions.fund(LAST_EPOCH + 1, 1, 1);
        vm.expectRevert(refusal);
        emissions.fund(EPOCH, type(uint256).max, 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochInvalid.selector, type(uint256).max));
        emissions.fund(type(uint256).max, 1, 1);
        vm.stopPrank();

        _assertPool(LAST_EPOCH, 1, 0);
        assertEq(emissions.reserves(), 1, "nothing else came in");
    }

    function test_fund_revertsForAmountsOutOfBounds() public {
        uint256 most = type(uint104).max;
        vm.startPrank(funder);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, 0));
        emissions.fund(EPOCH, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, 0));
        emissions.fund(EPOCH, 0, 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, most + 1));
        emissions.fund(EPOCH, 1, most + 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, most / 2 + 1));
        emissions.fund(EPOCH, 2, most / 2 + 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.AmountInvalid.selector, type(uint256).max));
        emissions.fund(EPOCH, 2, type(uint256).max);

        emissions.fund(EPOCH, 1, most);
        emissions.fund(EPOCH, 2, most / 2);
        vm.stopPrank();

        _assertPool(EPOCH, most + most / 2, 0);
    }

    function test_fund_revertsWhenTheTokenChargesOnTransfer() public {
        FeeToken charging = new FeeToken();
        EmissionProgram program = _programFor(address(charging));
        charging.mint(funder, 1_000);
        vm.startPrank(funder);
        charging.approve(address(program), 1_000);

        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.TokenUnsupported.selector, 1_000, 990));
        program.fund(EPOCH, 2, 500);

        assertEq(charging.balanceOf(funder), 1_000, "the funder keeps its tokens");
    }

    function test_fund_revertsWhenTheTokenGivesMore() public {
        OddToken odd = new OddToken();
        EmissionProgram program = _programFor(address(odd));
        odd.mint(funder, 1_000);
        GivingHook hook = new GivingHook(odd, address(program));
        odd.behave(false, false, 0, hook);
        vm.startPrank(funder);
        odd.approve(address(program), 1_000);

        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.TokenUnsupported.selector, 1_000, 1_001));
        program.fund(EPOCH, 2, 500);
    }

    function test_fund_revertsWithoutAllowance() public {
        vm.prank(funder);
        token.approve(address(emissions), 9);

        vm.expectRevert(abi.encodeWithSelector(SafeTransferLib.TransferFromFailed.selector));
        vm.prank(funder);
        emissions.fund(EPOCH, 2, 5);

        _assertPool(EPOCH, 0, 0);
    }

    function testFuzz_fund_bookedIsWhatCame(uint16 firstEpoch, uint8 count, uint104 amountEach) public {
        firstEpoch = uint16(bound(firstEpoch, EPOCH, LAST_EPOCH - 40));
        count = uint8(bound(count, 1, 40));
        amountEach = uint104(bound(amountEach, 1, type(uint104).max / count));

        vm.prank(funder);
        emissions.fund(firstEpoch, count, amountEach);

        _assertPool(uint256(firstEpoch) - 1, 0, 0);
        for (uint256 i; i < count; ++i) {
            _assertPool(firstEpoch + i, amountEach, 0);
        }
        _assertPool(uint256(firstEpoch) + count, 0, 0);
        assertEq(emissions.reserves(), uint256(amountEach) * count, "reserves");
        assertEq(token.balanceOf(address(emissions)), emissions.reserves(), "tokens");
    }

    function test_rollOver_movesAnUnusedPoolToTomorrow() public {
        _fund(EPOCH, 1_000e18);
        ModelId id = _model("rolled", 40_000e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _beginDay(EPOCH + 5);

        vm.expectEmit(address(emissions));
        emit IEmissionProgram.EpochFunded(EPOCH + 6, address(emissions), 1_000e18);
        emissions.rollOver(EPOCH);

        _assertPool(EPOCH, 0, 0);
        _assertPool(EPOCH + 6, 1_000e18, 0);
        assertEq(emissions.reserves(), 1_000e18, "reserves stay as they were");
        _beginDay(EPOCH + 6);
        _use(id, 1);
        _beginDay(EPOCH + 7);
        _settle(tableId, EPOCH + 6);
        _assertSettlement(tableId, EPOCH + 6, 500e18, 500e18);
    }

    function test_rollOver_revertsBeforeTheEpochsEnd() public {
        _fund(EPOCH, 1);
        _fund(EPOCH + 1, 1);
        vm.warp((EPOCH + 1) * 1 days - 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, EPOCH));
        emissions.rollOver(EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, EPOCH + 1));
        emissions.rollOver(EPOCH + 1);

        _beginDay(EPOCH + 1);
        emissions.rollOver(EPOCH);
        _assertPool(EPOCH + 2, 1, 0);
    }

    function test_rollOver_revertsWhenTheEpochWasUsed() public {
        _fund(EPOCH, 1_000e18);
        ModelId id = _model("used", 40_000e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochUsed.selector, EPOCH));
        emissions.rollOver(EPOCH);

        _settle(tableId, EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochUsed.selector, EPOCH));
        emissions.rollOver(EPOCH);
    }

    function test_rollOver_revertsWhenThereIsNothingToMove() public {
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector));
        emissions.rollOver(TODAY - 1);

        _fund(EPOCH, 1);
        _beginDay(EPOCH + 1);
        emissions.rollOver(EPOCH);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.NothingToClaim.selector));
        emissions.rollOver(EPOCH);
    }

    /// Usage that no contributor earned from leaves no units: its epoch counts as unused.
    function test_rollOver_takesAnEpochWhoseUsageHadNoContributors() public {
        _fund(EPOCH, 1_000e18);
        ModelId id = _model("without a table", 40_000e18);
        _beginDay(EPOCH);
        _use(id, 2);
        _beginDay(EPOCH + 1);

        emissions.rollOver(EPOCH);

        _assertPool(EPOCH + 2, 1_000e18, 0);
    }

    function test_program_isWiredByTheDistributor() public view {
        assertEq(emissions.PAYMENT_TOKEN(), address(token), "token");
        assertEq(emissions.DISTRIBUTOR(), address(distributor), "distributor");
        assertEq(emissions.VAULT(), address(vault), "vault");
        assertEq(emissions.GAMMA_PPM(), GAMMA_PPM, "gamma");
    }

    function test_program_revertsWhenGammaIsAboveOneHalf() public {
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.GammaInvalid.selector, 500_001));
        new EmissionProgram(address(token), address(vault), 500_001);
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.GammaInvalid.selector, 500_001));
        new RewardDistributor(owner, address(token), address(stakeToken), address(models), treasury, 500_001);

        assertEq(new EmissionProgram(address(token), address(vault), 500_000).GAMMA_PPM(), 500_000, "highest gamma");
        assertEq(new EmissionProgram(address(token), address(vault), 0).GAMMA_PPM(), 0, "lowest gamma");
    }

    function test_noteFundedEpoch_isForTheProgramAlone() public {
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotEmissions.selector, funder));
        vm.prank(funder);
        distributor.noteFundedEpoch(EPOCH);
    }

    function _programFor(address paymentToken) private returns (EmissionProgram) {
        RewardDistributor other = newDistributor(paymentToken, address(stakeToken));
        return EmissionProgram(other.EMISSIONS());
    }
}
