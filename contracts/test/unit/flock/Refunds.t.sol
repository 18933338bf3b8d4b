// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Request, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title How escrow that no answer used goes back, and how nobody gets an answer for nothing.
contract RefundsTest is FlockTest {
    uint256 internal constant START = 1_700_000_000;

    function test_reclaim_givesEscrowBackAfterTheDeadline() public {
        uint32 id = ask();
        bytes32 requestId = meter.requestIdOf(address(consumer), id);
        uint256 deadline = START + 1 hours;
        vm.warp(deadline);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlineNotPassed.selector, requestId, deadline));
        consumer.reclaim(id);
        vm.warp(deadline + 1);
        uint256 before = token.balanceOf(requester);
        uint256 cost = consumer.quote(modelId, 1, 1);

        vm.expectEmit(address(meter));
        emit IUsageMeter.RequestClosed(requestId, requester, cost);
        uint256 refund = consumer.reclaim(id);
        distributor.withdrawBalance(requester, address(0));

        assertEq(refund, cost, "all of it");
        assertEq(token.balanceOf(requester) - before, refund, "paid");
        assertEq(distributor.reserves(), 0, "nothing is owed");
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, requestId));
        consumer.reclaim(id);
    }

    function test_reclaim_givesBackWhatIsLeftOfAnAnsweredRequest() public {
        uint32 id = _recurring(2);
        vm.warp(START + 1 hours);
        _answer(id, 1, node);
        _answer(id, 1, secondNode);
        vm.warp(START + 2 hours);
        _answer(id, 2, node);
        uint256 balance = distributor.balanceOf(requester);
        (Request memory request,) = consumer.requestOf(id);
        assertEq(request.deadline, START + 5 hours + 1 hours, "the last interval is over after five periods");
        vm.warp(uint256(request.deadline) + 1);

        uint256 refund = consumer.reclaim(id);

        assertEq(refund, consumer.quote(modelId, 5, 1), "five of eight answers");
        assertEq(distributor.balanceOf(requester) - balance, refund, "credited");
    }

    function test_reclaim_revertsForUnknownSubscriptions() public {
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.SubscriptionUnknown.selector, 99));
        consumer.reclaim(99);
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.SubscriptionUnknown.selector, 99));
        consumer.cancel(99);
        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, meter.requestIdOf(address(consumer), 99))
        );
        meter.close(address(consumer), 99);
    }

    function test_close_worksWithoutTheConsumerAfterTheDeadline() public {
        uint32 id = ask();
        bytes32 requestId = meter.requestIdOf(address(consumer), id);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlineNotPassed.selector, requestId, START + 1 hours));
        meter.close(address(consumer), id);
        vm.warp(START + 1 hours);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlineNotPassed.selector, requestId, START + 1 hours));
        meter.close(address(consumer), id);
        vm.warp(START + 1 hours + 1);

        meter.close(address(consumer), id);

        assertEq(distributor.balanceOf(requester), consumer.quote(modelId, 1, 1), "credited");
    }

    function test_deliver_revertsForAClosedRequest() public {
        uint32 id = _recurring(1);
        vm.warp(START + 1 hours);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        vm.prank(address(consumer));
        meter.close(address(consumer), id);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        deliver(id, receipt, signature);
    }

    function test_cancel_isRefusedWhileAnAnswerMayBeUnderWay() public {
        uint32 id = ask();
        _refused(id, 1);
    }

    function test_cancel_isRefusedUntilEveryNodeAnswered() public {
        uint32 id = _recurring(2);
        vm.warp(START + 1 hours);
        _answer(id, 1, secondNode);
        _refused(id, 1);
        _answer(id, 1, node);

        assertEq(_cancel(id), consumer.quote(modelId, 3, 2), "three intervals");
    }

    function test_cancel_isRefusedOnceTheNextIntervalBegan() public {
        uint32 id = _recurring(1);
        vm.warp(START + 1 hours);
        _answer(id, 1, node);
        vm.warp(START + 2 hours);
        _refused(id, 2);
        vm.warp(START + 3 hours);

        assertEq(_cancel(id), consumer.quote(modelId, 3, 1), "a whole interval went unanswered");
    }

    function test_cancel_isForTheRequesterAlone() public {
        uint32 id = ask();
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.NotRequester.selector, host));
        vm.prank(host);
        consumer.cancel(id);
    }

    function test_cancel_refundsARecurringRequestBeforeItsFirstInterval() public {
        uint32 id = _recurring(1);
        vm.warp(START + 1 hours - 1);
        uint256 cost = consumer.quote(modelId, 4, 1);

        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.RequestCancelled(meter.requestIdOf(address(consumer), id), id);
        assertEq(_cancel(id), cost, "all of it");

        assertEq(distributor.balanceOf(requester), cost, "credited");
    }

    function test_cancel_refundsWhatIsLeftOnceTheIntervalIsAnswered() public {
        uint32 id = _recurring(1);
        vm.warp(START + 1 hours);
        _refused(id, 1);
        _answer(id, 1, node);

        assertEq(_cancel(id), consumer.quote(modelId, 3, 1), "three intervals");
    }

    function test_cancel_refundsWhenAWholeIntervalWentUnanswered() public {
        uint32 id = _recurring(1);
        vm.warp(START + 2 hours);

        assertEq(_cancel(id), consumer.quote(modelId, 4, 1), "all of it");
    }

    function test_cancel_refundsAfterTheLastInterval() public {
        uint32 id = _recurring(1);
        vm.warp(START + 4 hours);
        _answer(id, 4, node);
        vm.warp(START + 5 hours);

        assertEq(_cancel(id), consumer.quote(modelId, 3, 1), "before the deadline");
    }

    function test_cancel_refundsAfterTheDeadline() public {
        uint32 id = ask();
        vm.warp(START + 1 hours);
        _refused(id, 1);
        vm.warp(START + 1 hours + 1);

        assertEq(_cancel(id), consumer.quote(modelId, 1, 1), "all of it");
    }

    function test_cancel_endsTheSubscription() public {
        uint32 id = _recurring(1);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        _cancel(id);
        vm.warp(START + 1 hours);

        vm.expectRevert(Coordinator.SubscriptionNotActive.selector);
        deliver(id, receipt, signature);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        vm.prank(requester);
        consumer.cancel(id);
    }

    function test_cancel_revertsWhenAllIsAnswered() public {
        uint32 id = ask();
        UsageReceipt memory receipt = answer(id);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        vm.prank(requester);
        consumer.cancel(id);
    }

    function _recurring(uint16 redundancy) private returns (uint32) {
        IModelHostConsumer.RequestParams memory p = params();
        (p.intervals, p.periodSec, p.redundancy) = (4, 1 hours, redundancy);
        return ask(p);
    }

    function _answer(uint32 id, uint32 interval, address by) private {
        UsageReceipt memory receipt = receiptFor(id, interval, by, 17, 23);
        deliver(id, receipt, sign(receipt));
    }

    function _cancel(uint32 id) private returns (uint256) {
        vm.prank(requester);
        return consumer.cancel(id);
    }

    function _refused(uint32 id, uint32 interval) private {
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.AnswerPending.selector, id, interval));
        vm.prank(requester);
        consumer.cancel(id);
    }
}
