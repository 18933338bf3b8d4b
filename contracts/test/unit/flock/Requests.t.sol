// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ReceiptLib} from "../../../src/libraries/ReceiptLib.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, TaskEnvelope, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Making requests, taking them back, and what nodes are given to compute.
contract RequestsTest is FlockTest {
    function test_request_escrowsTheHighestFeeTimesAnswers() public {
        IModelHostConsumer.RequestParams memory recurring = params();
        (recurring.intervals, recurring.periodSec, recurring.redundancy) = (5, 1 hours, 2);
        (uint256 perAnswer, uint256 escrow) = meter.quote(modelId, 5, 2);
        uint256 before = token.balanceOf(requester);

        ask(recurring);

        Terms memory t = terms();
        uint256 metered = uint256(100) * t.promptPrice + uint256(200) * t.completionPrice;
        assertEq(perAnswer, 1e15 + (metered + 999_999) / 1_000_000, "per answer");
        assertEq(escrow, 10 * perAnswer, "five intervals, two nodes");
        assertEq(before - token.balanceOf(requester), escrow, "taken");
        assertEq(distributor.reserves(), escrow, "owed");
    }

    function test_request_keepsTermsAndPayload() public {
        uint32 id = ask();
        (Request memory request, bytes memory payload) = consumer.requestOf(id);
        Terms memory t = terms();
        assertEq(payload, PROMPT, "payload");
        assertEq(keccak256(abi.encode(request.terms)), keccak256(abi.encode(t)), "terms");
        assertEq(request.requester, requester, "requester");
        assertEq(request.deadline, block.timestamp + 1 hours, "deadline");
        assertEq(meter.progressOf(keccak256(abi.encode(request))).deliveriesLeft, 1, "open");
    }

    function testFuzz_request_survivesPackingOfAnyTerms(Terms memory t, bytes calldata payload) public {
        t.trainingPpm = uint24(bound(t.trainingPpm, 0, 1_000_000));
        t.validatorPpm = uint24(bound(t.validatorPpm, 0, 1_000_000 - t.trainingPpm));
        t.maxCompletionTokens = uint32(bound(t.maxCompletionTokens, 1, type(uint32).max));
        vm.assume(payload.length > 0);
        vm.prank(host);
        models.updateTerms(modelId, t);
        token.mint(requester, type(uint128).max);
        IModelHostConsumer.RequestParams memory p = params();
        p.payload = payload;

        uint32 id = ask(p);

        (Request memory request, bytes memory kept) = consumer.requestOf(id);
        assertEq(keccak256(abi.encode(request.terms)), keccak256(abi.encode(t)), "terms");
        assertEq(kept, payload, "payload");
    }

    function test_getContainerInputs_isTheTaskEnvelopeOfTheAskingNode() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 0, 0);

        bytes memory inputs = consumer.getContainerInputs(id, 1, uint32(block.timestamp), node);

        (bytes32 version, TaskEnvelope memory envelope) = abi.decode(inputs, (bytes32, TaskEnvelope));
        assertEq(version, ReceiptLib.TASK_ENVELOPE_TYPEHASH, "version");
        assertEq(ReceiptLib.structHash(envelope), receipt.inputHash, "the hash that the receipt has to carry");
        assertEq(envelope.payload, PROMPT, "payload");
        assertEq(envelope.node, node, "node");
    }

    function test_getContainerInputs_isEmptyForUnknownSubscriptions() public view {
        assertEq(consumer.getContainerInputs(99, 1, 0, node), "", "nothing");
    }

    function test_request_revertsWhenUnfunded() public {
        address pauper = actor("pauper");
        vm.startPrank(pauper);
        token.approve(address(consumer), type(uint256).max);
        vm.expectRevert(bytes4(keccak256("TransferFromFailed()")));
        consumer.request(params());
    }

    function test_request_revertsWithoutApproval() public {
        vm.startPrank(requester);
        token.approve(address(consumer), 0);
        vm.expectRevert(bytes4(keccak256("TransferFromFailed()")));
        consumer.request(params());
    }

    function test_request_revertsAboveTheRequestersLimit() public {
        IModelHostConsumer.RequestParams memory p = params();
        uint256 cost = consumer.quote(modelId, 1, 1);
        p.maxCost = cost - 1;
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.CostAboveLimit.selector, cost, cost - 1));
        vm.prank(requester);
        consumer.request(p);
    }

    function test_request_revertsForPausedAndRetiredModels() public {
        vm.prank(host);
        models.pause(modelId);
        _refused(params(), abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, modelId));
        vm.prank(host);
        models.resume(modelId);
        ask();
        vm.prank(host);
        models.retire(modelId);
        _refused(params(), abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, modelId));
    }

    function test_request_revertsForUnknownModels() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.modelId = ModelId.wrap(bytes32(uint256(7)));
        _refused(p, abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, p.modelId));
    }

    function test_request_revertsWhilePausedByTheOwner() public {
        vm.prank(owner);
        meter.setRequestsPaused(true);
        _refused(params(), abi.encodeWithSelector(IUsageMeter.RequestsArePaused.selector));
        vm.prank(owner);
        meter.setRequestsPaused(false);
        ask();
    }

    function test_setRequestsPaused_revertsForOthers() public {
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.NotOwner.selector, host));
        vm.prank(host);
        meter.setRequestsPaused(true);
    }

    function test_request_revertsForContradictorySchedules() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.periodSec = 60;
        _refused(p, abi.encodeWithSelector(IModelHostConsumer.ScheduleInvalid.selector, 1, 60));
        (p.intervals, p.periodSec) = (2, 0);
        _refused(p, abi.encodeWithSelector(IModelHostConsumer.ScheduleInvalid.selector, 2, 0));
        p.intervals = 0;
        _refused(p, abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 0, 1));
        (p.intervals, p.redundancy) = (1, 17);
        _refused(p, abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 1, 17));
        p.redundancy = 0;
        _refused(p, abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 1, 0));
    }

    function test_request_revertsForPayloadsOfTheWrongSize() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.payload = "";
        _refused(p, abi.encodeWithSelector(IModelHostConsumer.PayloadSizeInvalid.selector, 0));
        uint256 most = consumer.MAX_PAYLOAD_BYTES();
        p.payload = new bytes(most + 1);
        _refused(p, abi.encodeWithSelector(IModelHostConsumer.PayloadSizeInvalid.selector, most + 1));
        p.payload = new bytes(most);
        ask(p);
    }

    function test_open_revertsForAnyoneButTheConsumer() public {
        IUsageMeter.Opening memory opening = IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: 1,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(block.timestamp + 1)
        });
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(consumer), host));
        vm.prank(host);
        meter.open(opening);
    }

    function test_open_revertsWhenTheEscrowDidNotArrive() public {
        IUsageMeter.Opening memory opening = IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: 1,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(block.timestamp + 1)
        });
        (, uint256 escrow) = meter.quote(modelId, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, escrow, 0));
        vm.prank(address(consumer));
        meter.open(opening);
    }

    /// A host that is its own consumer can record an answer to interval 0, which no Coordinator delivers.
    function test_open_revertsForARequestThatWasAnsweredAtIntervalZero() public {
        vm.startPrank(host);
        models.updateConsumer(modelId, host);
        IUsageMeter.Opening memory opening = IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: 1,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(block.timestamp + 1 hours)
        });
        (, uint256 escrow) = meter.quote(modelId, 1, 1);
        token.mint(address(distributor), 2 * escrow);
        (bytes32 requestId, Request memory request) = meter.open(opening);
        UsageReceipt memory receipt = UsageReceipt({
            requestId: requestId,
            modelId: modelId,
            requester: requester,
            node: node,
            interval: 0,
            inputHash: keccak256("input"),
            outputHash: keccak256("output"),
            promptTokens: 1,
            completionTokens: 1
        });
        IUsageMeter.Delivery memory delivery = IUsageMeter.Delivery({
            node: node,
            interval: 0,
            inputHash: receipt.inputHash,
            outputHash: receipt.outputHash,
            promptBytes: 1,
            outputBytes: 1
        });
        meter.record(request, delivery, receipt, sign(receipt));

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestAlreadyOpen.selector, requestId));
        meter.open(opening);
    }

    function test_requestWithPermit_needsNoApproval() public {
        address permitter = actor("permitter");
        token.mint(permitter, 1_000e18);
        uint256 cost = consumer.quote(modelId, 1, 1);
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                permitter,
                address(consumer),
                cost,
                0,
                block.timestamp + 60
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(actorKey("permitter"), digest);

        vm.prank(permitter);
        (uint32 id,) = consumer.requestWithPermit(params(), block.timestamp + 60, v, r, s);

        (Request memory request,) = consumer.requestOf(id);
        assertEq(request.requester, permitter, "requester");
    }

    function test_requestWithPermit_survivesAPermitUsedByAnother() public {
        vm.prank(requester);
        (uint32 id,) = consumer.requestWithPermit(params(), 0, 27, 0, 0);
        (Request memory request,) = consumer.requestOf(id);
        assertEq(request.requester, requester, "the allowance was there");
    }

    function test_reclaim_givesEscrowBackAfterTheDeadline() public {
        uint32 id = ask();
        (Request memory request,) = consumer.requestOf(id);
        bytes32 requestId = keccak256(abi.encode(request));
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlineNotPassed.selector, requestId, request.deadline));
        consumer.reclaim(id);
        vm.warp(uint256(request.deadline) + 1);
        uint256 before = token.balanceOf(requester);

        uint256 refund = consumer.reclaim(id);
        distributor.withdrawBalance(requester, address(0));

        assertEq(refund, consumer.quote(modelId, 1, 1), "all of it");
        assertEq(token.balanceOf(requester) - before, refund, "paid");
        assertEq(distributor.reserves(), 0, "nothing is owed");
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, requestId));
        consumer.reclaim(id);
    }

    function test_close_worksWithoutTheConsumerAfterTheDeadline() public {
        uint32 id = ask();
        (Request memory request,) = consumer.requestOf(id);
        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageMeter.DeadlineNotPassed.selector, keccak256(abi.encode(request)), request.deadline
            )
        );
        meter.close(request);
        vm.warp(uint256(request.deadline) + 1);

        meter.close(request);

        assertEq(distributor.balanceOf(requester), consumer.quote(modelId, 1, 1), "credited");
    }

    function test_cancel_isRefusedWhileAnAnswerMayBeUnderWay() public {
        uint32 id = ask();
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.AnswerPending.selector, id, 1));
        vm.prank(requester);
        consumer.cancel(id);
    }

    function test_cancel_isForTheRequesterAlone() public {
        uint32 id = ask();
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.NotRequester.selector, host));
        vm.prank(host);
        consumer.cancel(id);
    }

    function test_cancel_refundsARecurringRequestBeforeItsFirstInterval() public {
        uint32 id = _recurring();
        vm.prank(requester);
        uint256 refund = consumer.cancel(id);
        assertEq(refund, consumer.quote(modelId, 4, 1), "all of it");
    }

    function test_cancel_refundsWhatIsLeftOnceTheIntervalIsAnswered() public {
        uint32 id = _recurring();
        uint256 start = block.timestamp;
        vm.warp(start + 1 hours);
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.AnswerPending.selector, id, 1));
        vm.prank(requester);
        consumer.cancel(id);
        answer(id);

        vm.prank(requester);
        uint256 refund = consumer.cancel(id);

        assertEq(refund, consumer.quote(modelId, 3, 1), "three intervals");
    }

    function test_cancel_refundsWhenAWholeIntervalWentUnanswered() public {
        uint32 id = _recurring();
        vm.warp(block.timestamp + 2 hours);
        vm.prank(requester);
        uint256 refund = consumer.cancel(id);
        assertEq(refund, consumer.quote(modelId, 4, 1), "all of it");
    }

    function test_setNodePayment_isForTheHostAlone() public {
        IModelHostConsumer.NodePayment memory payment =
            IModelHostConsumer.NodePayment({token: address(0), amount: 1, wallet: host, verifier: address(0)});
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.NotHost.selector, requester));
        vm.prank(requester);
        consumer.setNodePayment(payment);
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.NotHost.selector, requester));
        vm.prank(requester);
        consumer.setDelegateSigner(requester);
    }

    function test_setNodePayment_paysNodesFromTheHostsWallet() public {
        address wallet = walletFactory.createWallet(host);
        address nodeWallet = walletFactory.createWallet(node);
        vm.deal(wallet, 1 ether);
        vm.startPrank(host);
        (bool ok,) = wallet.call(
            abi.encodeWithSignature("approve(address,address,uint256)", address(consumer), address(0), 1 ether)
        );
        assertTrue(ok, "approved");
        consumer.setNodePayment(
            IModelHostConsumer.NodePayment({token: address(0), amount: 0.01 ether, wallet: wallet, verifier: address(0)})
        );
        vm.stopPrank();
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);

        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", output(receipt), signature, nodeWallet);

        assertEq(nodeWallet.balance, 0.01 ether, "the node is paid by Infernet");
    }

    function test_setDelegateSigner_changesWhoSigns() public {
        assertEq(consumer.getSigner(), host, "at first");
        vm.prank(host);
        consumer.setDelegateSigner(signer);
        assertEq(consumer.getSigner(), signer, "afterwards");
    }

    function _recurring() private returns (uint32) {
        IModelHostConsumer.RequestParams memory p = params();
        (p.intervals, p.periodSec) = (4, 1 hours);
        return ask(p);
    }

    function _refused(IModelHostConsumer.RequestParams memory p, bytes memory revertData) private {
        vm.expectRevert(revertData);
        vm.prank(requester);
        consumer.request(p);
    }
}
