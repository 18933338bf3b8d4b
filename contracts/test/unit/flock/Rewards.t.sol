// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Who earns what, and claims.
contract RewardsTest is FlockTest {
    address internal trainerA = actor("training node A");
    address internal trainerB = actor("training node B");
    address internal validatorA = actor("validator A");
    address internal validatorB = actor("validator B");
    address internal delegatorA = actor("delegator A");
    address internal delegatorB = actor("delegator B");
    address internal delegatorC = actor("delegator C");

    /// @dev 17 prompt and 23 completion tokens at the prices of `terms`.
    uint256 internal constant FEE =
        1e15 + (17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777) + 999_999) / 1_000_000;

    function setUp() public override {
        super.setUp();
        attest(
            table(
                modelId,
                contributors(two(trainerA, trainerB), two(uint32(7), uint32(2))),
                contributors(two(validatorA, validatorB), two(uint32(3), uint32(1))),
                1
            )
        );
    }

    /// Two training nodes, two validators, three delegators, three values of sigma; five answers; everyone claims.
    /// Each expected amount is worked out here from the sum of fees, without the contract's accumulators.
    function test_claims_matchAnIndependentComputation() public {
        _stake(trainerA, 3_000e18, 400_000);
        _stake(trainerB, 500e18, 1_000_000);
        _stake(validatorA, 100e18, 0);
        _stake(validatorB, 0, 123_457);
        _delegate(delegatorA, trainerA, 1_000e18);
        _delegate(delegatorB, trainerA, 333e18);
        _delegate(delegatorB, validatorA, 77e18);
        _delegate(delegatorC, validatorB, 5e18);
        _delegate(delegatorC, trainerB, 1e18);
        for (uint256 i; i < 5; ++i) {
            answer(ask());
        }

        uint256 trainingFees = 5 * (FEE * 300_000 / 1e6);
        uint256 validatorFees = 5 * (FEE * 200_000 / 1e6);
        uint256 hostFees = 5 * FEE - trainingFees - validatorFees;
        uint256 earnedTrainerA = trainingFees * 7 / 9;
        uint256 earnedTrainerB = trainingFees * 2 / 9;
        uint256 earnedValidatorA = validatorFees * 3 / 4;
        uint256 earnedValidatorB = validatorFees * 1 / 4;
        uint256 poolTrainerA = earnedTrainerA * 600_000 * 1_333 / (1e6 * uint256(4_333));
        uint256 poolValidatorA = earnedValidatorA * 77 / 177;
        uint256 poolValidatorB = earnedValidatorB * 876_543 / 1e6;

        assertEq(distributor.claimableHost(modelId), hostFees, "host");
        _claimsOperator(trainerA, earnedTrainerA - poolTrainerA);
        _claimsOperator(trainerB, earnedTrainerB);
        _claimsOperator(validatorA, earnedValidatorA - poolValidatorA);
        _claimsOperator(validatorB, earnedValidatorB - poolValidatorB);
        uint256 scale = 1e18;
        _claimsDelegator(delegatorA, one(trainerA), 1_000e18 * (poolTrainerA * scale / 1_333e18) / scale);
        _claimsDelegator(
            delegatorB,
            two(trainerA, validatorA),
            333e18 * (poolTrainerA * scale / 1_333e18) / scale + 77e18 * (poolValidatorA * scale / 77e18) / scale
        );
        _claimsDelegator(delegatorC, two(trainerB, validatorB), 5e18 * (poolValidatorB * scale / 5e18) / scale);
        vm.prank(host);
        distributor.claimHost(one(modelId), address(0));
        assertEq(token.balanceOf(host), hostFees, "host is paid without a fee");

        distributor.withdrawBalance(requester, address(0));
        distributor.payTreasury();
        // The carry of each operator is below one unit per delegated token: 1,333 + 77 + 5 + 1.
        assertLe(distributor.reserves(), 1_416 + 11, "what is left is carries, and a unit for each who rounded down");
        assertEq(token.balanceOf(address(distributor)), distributor.reserves(), "and it is there");
    }

    /// Vector T5 of FLock's documents: reward 58,084 split with sigma 0.4, own 3,000, delegated 1,000.
    function test_claims_followFlocksDocumentedExample() public {
        Terms memory t = terms();
        (t.requestPrice, t.promptPrice, t.completionPrice) = (58_084e18, 0, 0);
        (t.trainingPpm, t.validatorPpm) = (1_000_000, 0);
        ModelId id = register("documented", t);
        attest(table(id, contributors(one(trainerA), one(uint32(1))), new IRewardDistributor.Contributor[](0), 1));
        _stake(trainerA, 3_000e18, 400_000);
        _delegate(delegatorA, trainerA, 1_000e18);
        modelId = id;

        answer(ask());

        assertEq(distributor.claimableOperator(trainerA), 49_371.4e18, "node");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 8_712.6e18, "delegators");
    }

    /// Vector T6: claim fees of 8 % and 14.5 %, and a reward of 7 base units.
    function test_claimFees_followFlocksVectors() public {
        _earn(1_234_567_890_123_456_789_012);
        vm.prank(trainerA);
        assertEq(
            distributor.claimOperator(one(trainerA), address(0)), 1_135_802_458_913_580_245_892, "net of 8 %"
        );
        assertEq(distributor.treasuryOwed(), 98_765_431_209_876_543_120, "8 %");
        _earn(7);
        assertEq(distributor.claimOperator(one(trainerA), address(0)), 7, "no fee on 7 units");
    }

    function test_delegate_earnsNothingFromEarlierUsage() public {
        _stake(trainerA, 1e18, 0);
        _delegate(delegatorA, trainerA, 1e18);
        answer(ask());
        uint256 before = distributor.claimableDelegator(delegatorA, trainerA);

        _delegate(delegatorB, trainerA, 8e18);

        assertEq(distributor.claimableDelegator(delegatorB, trainerA), 0, "came later");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), before, "keeps what was earned");
        assertTrue(before > 0, "there was something to earn");
    }

    function test_undelegate_keepsWhatWasEarnedAndEarnsNoMore() public {
        _stake(trainerA, 1e18, 0);
        _delegate(delegatorA, trainerA, 1e18);
        answer(ask());
        uint256 before = distributor.claimableDelegator(delegatorA, trainerA);
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1e18);

        answer(ask());

        assertEq(distributor.claimableDelegator(delegatorA, trainerA), before, "unchanged");
    }

    function test_setContributors_settlesThePastFirst() public {
        answer(ask());
        uint256 earned = distributor.claimableOperator(trainerA);
        uint256 hostBefore = distributor.claimableHost(modelId);
        uint256 paidToRoles = FEE * 300_000 / 1e6 + FEE * 200_000 / 1e6;
        uint256 all = distributor.claimableOperator(trainerA) + distributor.claimableOperator(trainerB)
            + distributor.claimableOperator(validatorA) + distributor.claimableOperator(validatorB);

        attest(
            table(
                modelId,
                contributors(one(trainerB), one(uint32(1))),
                new IRewardDistributor.Contributor[](0),
                2
            )
        );

        assertEq(distributor.claimableHost(modelId) - hostBefore, paidToRoles - all, "remainder goes to the host");
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), earned, "out of the table");
        assertEq(distributor.tablesOf(trainerA).length, 0, "forgotten");
        (, uint64 nonce, IRewardDistributor.Contributor[] memory training,) = distributor.contributorsOf(modelId);
        assertEq(nonce, 2, "nonce");
        assertEq(training.length, 1, "one training node");
    }

    function test_setContributors_takesOneAccountInBothRoles() public {
        attest(
            table(
                modelId,
                contributors(one(trainerA), one(uint32(1))),
                contributors(one(trainerA), one(uint32(1))),
                2
            )
        );
        answer(ask());
        assertEq(
            distributor.claimableOperator(trainerA), FEE * 300_000 / 1e6 + FEE * 200_000 / 1e6, "both parts"
        );
        attest(
            table(
                modelId, new IRewardDistributor.Contributor[](0), new IRewardDistributor.Contributor[](0), 3
            )
        );
        assertEq(distributor.tablesOf(trainerA).length, 0, "left once");
    }

    function test_setContributors_keepsListsRightWhenTablesLeaveInAnyOrder() public {
        ModelId second = register("second", terms());
        ModelId third = register("third", terms());
        attest(table(second, contributors(one(trainerA), one(uint32(1))), _none(), 1));
        attest(table(third, contributors(one(trainerA), one(uint32(1))), _none(), 1));
        assertEq(distributor.tablesOf(trainerA).length, 3, "in three tables");

        attest(table(modelId, _none(), _none(), 2));
        attest(table(second, _none(), _none(), 2));

        (uint256 thirdTable,,,) = distributor.contributorsOf(third);
        assertEq(distributor.tablesOf(trainerA).length, 1, "in one table");
        assertEq(distributor.tablesOf(trainerA)[0], thirdTable, "the right one");
        modelId = third;
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), FEE * 300_000 / 1e6, "still earns there");
    }

    function test_setContributors_refusals() public {
        IRewardDistributor.ContributorTable memory t = table(modelId, _none(), _none(), 1);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationStale.selector, 1, 1));
        distributor.setContributors(t, attester, signature);

        t.nonce = 2;
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, attester));
        distributor.setContributors(t, attester, signature);
        signature = signDigest(distributor.tableDigest(t), "host");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationInvalid.selector, host));
        distributor.setContributors(t, host, signature);

        t.modelId = ModelId.wrap(bytes32(uint256(1)));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ModelUnknown.selector, t.modelId));
        distributor.setContributors(t, attester, signature);

        t = table(modelId, _none(), _none(), 2);
        vm.warp(uint256(t.expiry) + 1);
        signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AttestationExpired.selector, t.expiry));
        distributor.setContributors(t, attester, signature);
    }

    function test_setContributors_revertsForBadTables() public {
        IRewardDistributor.Contributor[] memory members = contributors(two(trainerA, trainerB), two(uint32(1), uint32(1)));
        (members[0], members[1]) = (members[1], members[0]);
        _tableRefused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, members[1].account));
        members = contributors(two(trainerA, trainerA), two(uint32(1), uint32(1)));
        _tableRefused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, trainerA));
        members = contributors(one(trainerA), one(uint32(0)));
        _tableRefused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, trainerA));
        members = contributors(one(address(0)), one(uint32(1)));
        _tableRefused(members, abi.encodeWithSelector(IRewardDistributor.ContributorInvalid.selector, address(0)));
        members = new IRewardDistributor.Contributor[](65);
        for (uint256 i; i < 65; ++i) {
            members[i] = IRewardDistributor.Contributor(address(uint160(i + 1)), 1);
        }
        _tableRefused(members, abi.encodeWithSelector(IRewardDistributor.TooManyContributors.selector, 65));
    }

    function test_claim_toAnotherAddressIsForTheBeneficiaryAlone() public {
        answer(ask());
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, trainerA, host));
        vm.prank(host);
        distributor.claimOperator(one(trainerA), host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, host, trainerA));
        vm.prank(trainerA);
        distributor.claimHost(one(modelId), trainerA);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, requester, host));
        vm.prank(host);
        distributor.withdrawBalance(requester, host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, delegatorA, host));
        vm.prank(host);
        distributor.claimDelegator(delegatorA, one(trainerA), host);

        uint256 due = distributor.claimableOperator(trainerA);
        vm.prank(trainerA);
        distributor.claimOperator(one(trainerA), delegatorA);
        assertEq(token.balanceOf(delegatorA), due - due * 80_000 / 1e6, "paid where it was sent");
    }

    function test_claim_forOthersGoesToThem() public {
        answer(ask());
        uint256 due = distributor.claimableOperator(trainerA);
        vm.prank(requester);
        distributor.claimOperator(two(trainerA, trainerB), address(0));
        assertEq(token.balanceOf(trainerA), due - due * 80_000 / 1e6, "own address");
    }

    function test_claim_revertsWhenNothingIsDue() public {
        bytes memory nothing = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        vm.expectRevert(nothing);
        distributor.claimHost(one(modelId), address(0));
        vm.expectRevert(nothing);
        distributor.claimOperator(one(trainerA), address(0));
        vm.expectRevert(nothing);
        distributor.claimDelegator(delegatorA, one(trainerA), address(0));
        vm.expectRevert(nothing);
        distributor.withdrawBalance(requester, address(0));
        vm.expectRevert(nothing);
        distributor.payTreasury();
    }

    function test_claim_paysOnce() public {
        answer(ask());
        distributor.claimOperator(one(trainerA), address(0));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector));
        distributor.claimOperator(one(trainerA), address(0));
    }

    function test_owner_setsRatesUnderTheCapAndNothingElse() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ClaimFeeTooHigh.selector, 200_001));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 200_001, 0));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ClaimFeeTooHigh.selector, 200_001));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(200_001, 0, 0));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.ClaimFeeTooHigh.selector, 200_001));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 0, 200_001));
        distributor.setClaimFees(IRewardDistributor.ClaimFees(10_000, 20_000, 30_000));
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AddressMissing.selector));
        distributor.setTreasury(address(0));
        distributor.setTreasury(host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.AddressMissing.selector));
        distributor.setAttester(address(0), true);
        distributor.setAttester(attester, false);
        vm.stopPrank();
        assertEq(distributor.claimFees().delegatorPpm, 30_000, "rates");
        assertEq(distributor.treasury(), host, "treasury");
        assertTrue(!distributor.isAttester(attester), "attester");
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

    function test_books_areForTheirCallersAlone() public {
        vm.startPrank(host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, host));
        distributor.takeEscrow(1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, host));
        distributor.bookFee(modelId, 1, 0, 0, host, 0);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotMeter.selector, host));
        distributor.refundEscrow(host, 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotVault.selector, host));
        distributor.beforeStakeChange(host, host);
    }

    function testFuzz_fee_isTheSumOfItsParts(uint96 requestPrice, uint24 trainingPpm, uint24 validatorPpm) public {
        Terms memory t = terms();
        t.requestPrice = requestPrice;
        t.trainingPpm = uint24(bound(trainingPpm, 0, 1_000_000));
        t.validatorPpm = uint24(bound(validatorPpm, 0, 1_000_000 - t.trainingPpm));
        vm.prank(host);
        models.updateTerms(modelId, t);
        token.mint(requester, type(uint128).max);

        answer(ask());

        uint256 fee = requestPrice + FEE - 1e15;
        uint256 training = fee * t.trainingPpm / 1e6;
        uint256 validators = fee * t.validatorPpm / 1e6;
        assertEq(distributor.claimableHost(modelId), fee - training - validators, "host has the rest");
        assertLe(
            training
                - (distributor.claimableOperator(trainerA) + distributor.claimableOperator(trainerB)),
            1,
            "training nodes share theirs"
        );
        assertEq(
            distributor.balanceOf(requester) + fee, distributor.reserves(), "nothing is lost and nothing made"
        );
    }

    function _none() private pure returns (IRewardDistributor.Contributor[] memory) {
        return new IRewardDistributor.Contributor[](0);
    }

    function _tableRefused(IRewardDistributor.Contributor[] memory members, bytes memory revertData) private {
        IRewardDistributor.ContributorTable memory t = table(modelId, members, _none(), 2);
        bytes memory signature = signDigest(distributor.tableDigest(t), "attester");
        vm.expectRevert(revertData);
        distributor.setContributors(t, attester, signature);
    }

    /// @dev Lets trainer A earn exactly `amount` with a model of its own.
    function _earn(uint96 amount) private {
        Terms memory t = terms();
        (t.requestPrice, t.promptPrice, t.completionPrice) = (amount, 0, 0);
        (t.trainingPpm, t.validatorPpm) = (1_000_000, 0);
        modelId = register(amount == 7 ? "seven" : "large", t);
        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), _none(), 1));
        answer(ask());
    }

    function _stake(address operator, uint256 amount, uint256 sigmaPpm) private {
        vm.startPrank(operator);
        vault.setSigma(sigmaPpm);
        if (amount != 0) {
            stakeToken.mint(operator, amount);
            stakeToken.approve(address(vault), amount);
            vault.deposit(amount);
        }
        vm.stopPrank();
    }

    function _delegate(address delegator, address operator, uint256 amount) private {
        vm.startPrank(delegator);
        stakeToken.mint(delegator, amount);
        stakeToken.approve(address(vault), amount);
        vault.delegate(operator, amount);
        vm.stopPrank();
    }

    function _claimsOperator(address operator, uint256 gross) private {
        assertEq(distributor.claimableOperator(operator), gross, "claimable by operator");
        distributor.claimOperator(one(operator), address(0));
        assertEq(token.balanceOf(operator), gross - gross * 80_000 / 1e6, "8 % claim fee");
    }

    function _claimsDelegator(address delegator, address[] memory operators, uint256 gross) private {
        uint256 claimFee;
        uint256 sum;
        for (uint256 i; i < operators.length; ++i) {
            uint256 due = distributor.claimableDelegator(delegator, operators[i]);
            sum += due;
            claimFee += due * 145_000 / 1e6;
        }
        assertEq(sum, gross, "claimable by delegator");
        distributor.claimDelegator(delegator, operators, address(0));
        assertEq(token.balanceOf(delegator), gross - claimFee, "14.5 % claim fee");
    }
}
