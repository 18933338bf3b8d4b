// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";
import {Vm} from "../../utils/Vm.sol";

/// @title Who can claim what, for whom, to where, and that nothing is paid twice.
contract ClaimsTest is ContributorTest {
    function test_claimHost_paysABatchOfModels() public {
        ModelId second = register("second", terms());
        ModelId idle = register("idle", terms());
        answer(ask());
        answerBy(second);
        uint256 first = distributor.claimableHost(modelId);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.HostClaimed(modelId, host, host, first, 0);
        vm.expectEmit(address(distributor));
        emit IRewardDistributor.HostClaimed(second, host, host, FEE, 0);
        uint256 paid = distributor.claimHost(_three(modelId, idle, second), address(0));

        assertEq(paid, first + FEE, "both");
        assertEq(token.balanceOf(host), first + FEE, "paid without a fee");
    }

    function test_claimHost_paysAModelOnceWhenItIsNamedTwice() public {
        answer(ask());
        uint256 due = distributor.claimableHost(modelId);

        uint256 paid = distributor.claimHost(_three(modelId, modelId, modelId), address(0));

        assertEq(paid, due, "once");
        assertEq(distributor.claimableHost(modelId), 0, "nothing left");
    }

    function test_claimHost_takesTheHostsClaimFee() public {
        vm.prank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(50_000, 0, 0));
        answer(ask());
        uint256 due = distributor.claimableHost(modelId);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.HostClaimed(modelId, host, host, due - ppm(due, 50_000), ppm(due, 50_000));
        uint256 paid = distributor.claimHost(one(modelId), address(0));

        assertEq(paid, due - ppm(due, 50_000), "less 5 %");
        assertEq(distributor.treasuryOwed(), ppm(due, 50_000), "owed to the treasury");
        assertEq(distributor.reserves(), token.balanceOf(address(distributor)), "and still in reserve");
    }

    function test_claimHost_forModelsOfTwoHostsPaysEach() public {
        vm.prank(requester);
        ModelId second = models.register(listing("second", terms()));
        answer(ask());
        answerBy(second);
        uint256 before = token.balanceOf(requester);
        uint256 due = distributor.claimableHost(modelId);

        distributor.claimHost(_three(second, modelId, modelId), address(0));

        assertEq(token.balanceOf(requester) - before, FEE, "the host of the second model");
        assertEq(token.balanceOf(host), due, "the host of the first");
    }

    function test_claimOperator_paysABatch() public {
        answer(ask());
        address[] memory batch = new address[](4);
        (batch[0], batch[1], batch[2], batch[3]) = (trainerA, requester, validatorB, trainerA);
        uint256 dueA = distributor.claimableOperator(trainerA);
        uint256 dueB = distributor.claimableOperator(validatorB);
        uint256 fees = ppm(dueA, 80_000) + ppm(dueB, 80_000);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.OperatorSettled(trainerA, dueA, 0);
        vm.expectEmit(address(distributor));
        emit IRewardDistributor.OperatorClaimed(trainerA, trainerA, dueA - ppm(dueA, 80_000), ppm(dueA, 80_000));
        uint256 paid = distributor.claimOperator(batch, address(0));

        assertEq(paid, dueA + dueB - fees, "all that was due, once");
        assertEq(distributor.treasuryOwed(), fees, "8 %");
        assertEq(distributor.claimableOperator(trainerA), 0, "nothing left");
        assertEq(distributor.claimableOperator(validatorB), 0, "nothing left");
    }

    /// What was settled before a change of stake waits, and is paid with what was earned afterwards.
    function test_claimOperator_paysWhatWaitsAndWhatIsNew() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        uint256 first = _trainerOf(FEE);
        uint256 delegatorsFirst = first / 2;
        addStake(trainerA, 2_000);
        assertEq(distributor.claimableOperator(trainerA), first - delegatorsFirst, "settled with half");
        answer(ask());
        uint256 second = _trainerOf(2 * FEE) - first;
        uint256 delegatorsSecond = second / 4;

        uint256 due = distributor.claimableOperator(trainerA);
        assertEq(due, first - delegatorsFirst + second - delegatorsSecond, "a half and three quarters");
        assertEq(claimOperator(trainerA), due - ppm(due, 80_000), "both");

        addStake(trainerA, 1);
        assertEq(distributor.claimableOperator(trainerA), 0, "what was paid does not wait again");
        answer(ask());
        addStake(trainerA, 1);
        uint256 third = _trainerOf(3 * FEE) - first - second;
        assertEq(
            distributor.claimableOperator(trainerA), third - third * 1_000 / 4_001, "what came since, and no more"
        );
    }

    function test_claimDelegator_paysABatchOfOperators() public {
        stake(trainerA, 1_000, 0);
        stake(validatorA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        delegate(delegatorA, validatorA, 3_000);
        answer(ask());
        uint256 first = distributor.claimableDelegator(delegatorA, trainerA);
        uint256 second = distributor.claimableDelegator(delegatorA, validatorA);
        assertTrue(first != 0 && second != 0, "both pay");
        address[] memory batch = new address[](5);
        (batch[0], batch[1], batch[2], batch[3], batch[4]) = (trainerA, trainerB, validatorA, trainerA, validatorA);
        uint256 fees = ppm(first, 145_000) + ppm(second, 145_000);

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.DelegatorClaimed(
            delegatorA, trainerA, delegatorA, first - ppm(first, 145_000), ppm(first, 145_000)
        );
        uint256 paid = distributor.claimDelegator(delegatorA, batch, address(0));

        assertEq(paid, first + second - fees, "all that was due, once");
        assertEq(token.balanceOf(delegatorA), paid, "paid");
        assertEq(distributor.treasuryOwed(), fees, "14.5 %");
    }

    /// Followers of the log add up what it tells, so that it tells of nothing that did not happen.
    function test_claim_tellsNothingOfWhoeverEarnedNothing() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        addStake(trainerA, 1);

        vm.recordLogs();
        addStake(trainerA, 1);
        distributor.claimOperator(one(trainerA), address(0));
        assertEq(_countLogs(IRewardDistributor.OperatorSettled.selector), 0, "settled before");

        vm.recordLogs();
        distributor.claimDelegator(delegatorA, two(trainerB, trainerA), address(0));
        assertEq(_countLogs(IRewardDistributor.DelegatorClaimed.selector), 1, "of one operator alone");
    }

    function test_claim_toAnotherAddressIsForTheBeneficiaryAlone() public {
        answer(ask());
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, trainerA, host));
        vm.prank(host);
        distributor.claimOperator(one(trainerA), host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, trainerB, trainerA));
        vm.prank(trainerA);
        distributor.claimOperator(two(trainerA, trainerB), trainerA);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, host, trainerA));
        vm.prank(trainerA);
        distributor.claimHost(one(modelId), trainerA);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, requester, host));
        vm.prank(host);
        distributor.withdrawBalance(requester, host);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.NotBeneficiary.selector, delegatorA, host));
        vm.prank(host);
        distributor.claimDelegator(delegatorA, one(trainerA), host);
    }

    function test_claim_goesWhereTheBeneficiarySends() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        address cold = actor("cold wallet");
        uint256 operatorDue = distributor.claimableOperator(trainerA);
        uint256 delegatorDue = distributor.claimableDelegator(delegatorA, trainerA);
        uint256 hostDue = distributor.claimableHost(modelId);

        vm.prank(trainerA);
        distributor.claimOperator(one(trainerA), cold);
        vm.prank(delegatorA);
        distributor.claimDelegator(delegatorA, one(trainerA), cold);
        vm.prank(host);
        distributor.claimHost(one(modelId), cold);

        assertEq(
            token.balanceOf(cold),
            operatorDue - ppm(operatorDue, 80_000) + delegatorDue - ppm(delegatorDue, 145_000) + hostDue,
            "all three"
        );
    }

    function test_claim_forOthersGoesToThem() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        uint256 dueA = distributor.claimableOperator(trainerA);
        uint256 dueB = distributor.claimableOperator(trainerB);
        uint256 delegatorDue = distributor.claimableDelegator(delegatorA, trainerA);

        vm.startPrank(requester);
        distributor.claimOperator(two(trainerA, trainerB), address(0));
        distributor.claimDelegator(delegatorA, one(trainerA), address(0));

        assertEq(token.balanceOf(trainerA), dueA - ppm(dueA, 80_000), "own address");
        assertEq(token.balanceOf(trainerB), dueB - ppm(dueB, 80_000), "own address");
        assertEq(token.balanceOf(delegatorA), delegatorDue - ppm(delegatorDue, 145_000), "own address");
    }

    function test_claim_revertsWhenNothingIsDue() public {
        bytes memory nothing = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        vm.expectRevert(nothing);
        distributor.claimHost(one(modelId), address(0));
        vm.expectRevert(nothing);
        distributor.claimHost(new ModelId[](0), address(0));
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
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        claimOperator(trainerA);
        claimDelegator(delegatorA, trainerA);
        distributor.claimHost(one(modelId), address(0));

        bytes memory nothing = abi.encodeWithSelector(IRewardDistributor.NothingToClaim.selector);
        vm.expectRevert(nothing);
        distributor.claimOperator(one(trainerA), address(0));
        vm.expectRevert(nothing);
        distributor.claimDelegator(delegatorA, one(trainerA), address(0));
        vm.expectRevert(nothing);
        distributor.claimHost(one(modelId), address(0));
    }

    function test_payTreasury_paysCollectedFees() public {
        answer(ask());
        claimOperator(trainerA);
        uint256 owed = distributor.treasuryOwed();
        assertTrue(owed != 0, "8 % of something");

        vm.expectEmit(address(distributor));
        emit IRewardDistributor.TreasuryPaid(treasury, owed);
        assertEq(distributor.payTreasury(), owed, "all");

        assertEq(token.balanceOf(treasury), owed, "paid");
        assertEq(distributor.treasuryOwed(), 0, "nothing owed");
        assertEq(distributor.reserves(), token.balanceOf(address(distributor)), "reserves follow");
    }

    /// Rates are those of the moment of the claim.
    function test_claim_usesTheRatesOfItsMoment() public {
        answer(ask());
        uint256 due = distributor.claimableOperator(trainerA);
        vm.prank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, 0, 0));

        assertEq(claimOperator(trainerA), due, "no fee");
    }

    /// @dev What training node A has of the model's fees.
    function _trainerOf(uint256 fees) private pure returns (uint256) {
        (uint256 training,) = split(fees);
        return training * 7 / 9;
    }

    function _three(ModelId first, ModelId second, ModelId third) private pure returns (ModelId[] memory list) {
        list = new ModelId[](3);
        (list[0], list[1], list[2]) = (first, second, third);
    }

    /// @dev Recorded logs of the distributor with this event.
    function _countLogs(bytes32 topic) private returns (uint256 count) {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].emitter == address(distributor) && logs[i].topics[0] == topic) count += 1;
        }
    }
}
