// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Requests with more than one answer, and answers that wait in the Inbox.
contract RecurringTest is FlockTest {
    uint256 internal constant FEE =
        1e15 + (17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777) + 999_999) / 1_000_000;
    uint256 internal constant START = 1_700_000_000;

    function test_deliver_recurringPaysEachIntervalOnce() public {
        uint32 id = _recurring(3, 1);
        for (uint32 interval = 1; interval <= 3; ++interval) {
            vm.warp(START + interval * 1 hours);
            _answer(id, interval, node);
        }
        assertEq(distributor.claimableHost(modelId), 3 * FEE, "three intervals");
        assertEq(distributor.balanceOf(requester) + 3 * FEE, distributor.reserves(), "the rest of each escrow");
    }

    function test_deliver_recurringMayMissIntervals() public {
        uint32 id = _recurring(3, 1);
        vm.warp(START + 3 hours);

        UsageReceipt memory receipt = _answer(id, 3, node);

        IUsageMeter.Progress memory progress = meter.progressOf(receipt.requestId);
        assertEq(progress.deliveriesLeft, 2, "two were never answered");
        assertEq(progress.interval, 3, "the last");
    }

    function test_deliver_recurringEndsWithItsLastInterval() public {
        uint32 id = _recurring(3, 1);
        vm.warp(START + 4 hours);
        UsageReceipt memory receipt = receiptFor(id, 4, node, 17, 23);
        bytes memory signature = sign(receipt);

        vm.expectRevert(Coordinator.SubscriptionCompleted.selector);
        deliver(id, receipt, signature);
    }

    function test_deliver_usesThePriceOfTheMomentOfTheRequest() public {
        uint32 id = _recurring(2, 1);
        vm.warp(START + 1 hours);
        _answer(id, 1, node);
        Terms memory dearer = terms();
        (dearer.requestPrice, dearer.maxPromptTokens) = (2e15, 1);
        vm.prank(host);
        models.updateTerms(modelId, dearer);
        vm.warp(START + 2 hours);

        _answer(id, 2, node);

        assertEq(distributor.claimableHost(modelId), 2 * FEE, "old price and old caps");
    }

    function test_deliver_paysEachOfTwoNodes() public {
        uint32 id = _redundant(2);
        _answer(id, 1, node);

        UsageReceipt memory receipt = _answer(id, 1, secondNode);

        assertEq(distributor.claimableHost(modelId), 2 * FEE, "two answers");
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 0, "all delivered");
    }

    function test_deliver_paysSixteenNodesAndNotASeventeenth() public {
        address[] memory nodes = _listNodes(17);
        uint32 id = _redundant(16);
        for (uint256 i; i < 16; ++i) {
            _answer(id, 1, nodes[i]);
        }
        UsageReceipt memory receipt = receiptFor(id, 1, nodes[16], 17, 23);
        bytes memory signature = sign(receipt);

        assertEq(distributor.claimableHost(modelId), 16 * FEE, "sixteen answers");
        vm.expectRevert(Coordinator.IntervalCompleted.selector);
        deliver(id, receipt, signature);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        vm.prank(address(consumer));
        meter.record(id, 1, nodes[16], output(receipt), signature);
    }

    function test_deliver_marksEachNodeInItsInterval() public {
        address[] memory nodes = _listNodes(32);
        uint32 id = _recurring(2, 2);
        vm.warp(START + 1 hours);
        _answer(id, 1, nodes[31]);
        bytes32 requestId = _answer(id, 1, nodes[3]).requestId;
        assertEq(meter.progressOf(requestId).answered, 1 << 31 | 1 << 3, "first interval");

        vm.warp(START + 2 hours);
        _answer(id, 2, nodes[31]);

        assertEq(meter.progressOf(requestId).answered, 1 << 31, "begun anew");
        assertEq(meter.progressOf(requestId).deliveriesLeft, 1, "one to come");
    }

    function test_record_revertsForAnIntervalBeforeOneAlreadyAnswered() public {
        uint32 id = _recurring(3, 1);
        vm.warp(START + 2 hours);
        _answer(id, 2, node);
        UsageReceipt memory first = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(first);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.IntervalPassed.selector, first.requestId, 1, 2));
        vm.prank(address(consumer));
        meter.record(id, 1, node, output(first), signature);
    }

    function test_deliver_lazilyThroughTheInbox() public {
        uint32 id = _lazy(1);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);

        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerReceived(receipt.requestId, 1, node, ANSWER);
        deliver(id, receipt, signature);

        assertEq(distributor.claimableHost(modelId), FEE, "read from the Inbox");
        assertEq(inbox.read(_containerId(), node, 0).output, output(receipt), "and still there");
    }

    /// Items that a node wrote by itself stand before the answer; the Coordinator names the right one.
    function test_deliver_lazilyReadsTheItemOfTheDelivery() public {
        uint32 first = _lazy(1);
        uint32 second = _lazy(1);
        vm.prank(node);
        inbox.write(_containerId(), "", "something else", "");
        answer(first);

        answer(second);

        assertEq(distributor.claimableHost(modelId), 2 * FEE, "two answers");
        assertEq(inbox.read(_containerId(), node, 2).subscriptionId, second, "third item");
    }

    function test_deliver_lazilyPaysEachOfTwoNodes() public {
        uint32 id = _lazy(2);
        _answer(id, 1, secondNode);

        _answer(id, 1, node);

        assertEq(distributor.claimableHost(modelId), 2 * FEE, "two answers");
    }

    function test_deliver_lazilyIsRefusedLikeAnyOther() public {
        uint32 id = _lazy(1);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory forged = sign(receipt, "somebody else");
        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer)
        );
        deliver(id, receipt, forged);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OutputMalformed.selector, 5));
        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", "rumor", forged, address(0));
    }

    function _recurring(uint32 intervals, uint16 redundancy) private returns (uint32) {
        IModelHostConsumer.RequestParams memory p = params();
        (p.intervals, p.periodSec, p.redundancy) = (intervals, 1 hours, redundancy);
        return ask(p);
    }

    function _redundant(uint16 redundancy) private returns (uint32) {
        IModelHostConsumer.RequestParams memory p = params();
        p.redundancy = redundancy;
        return ask(p);
    }

    function _lazy(uint16 redundancy) private returns (uint32) {
        IModelHostConsumer.RequestParams memory p = params();
        (p.lazy, p.redundancy) = (true, redundancy);
        return ask(p);
    }

    function _answer(uint32 id, uint32 interval, address by) private returns (UsageReceipt memory receipt) {
        receipt = receiptFor(id, interval, by, 17, 23);
        deliver(id, receipt, sign(receipt));
    }

    function _listNodes(uint256 count) private returns (address[] memory nodes) {
        nodes = new address[](count);
        (nodes[0], nodes[1]) = (node, secondNode);
        for (uint256 i = 2; i < count; ++i) {
            nodes[i] = address(uint160(0xA0DE00 + i));
        }
        vm.prank(host);
        models.updateNodes(modelId, nodes);
    }

    function _containerId() private pure returns (bytes32) {
        return keccak256(abi.encode("flock-workflow"));
    }
}
