// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ReceiptLib} from "../../../src/libraries/ReceiptLib.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Request, TaskEnvelope, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Making requests, and what nodes are given to compute.
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
        bytes32 requestId = keccak256(abi.encode(address(consumer), id));
        assertEq(meter.requestIdOf(address(consumer), id), requestId, "id of consumer and subscription");
        assertEq(meter.progressOf(requestId).deliveriesLeft, 1, "open");
    }

    function test_request_emitsAllThatWasAgreed() public {
        uint32 id = coordinator.id();
        Request memory request = Request({
            consumer: address(consumer),
            subscriptionId: id,
            modelId: modelId,
            requester: requester,
            terms: terms(),
            deadline: uint40(block.timestamp + 1 hours),
            intervals: 1,
            redundancy: 1
        });
        bytes32 requestId = meter.requestIdOf(address(consumer), id);
        uint256 cost = consumer.quote(modelId, 1, 1);

        vm.expectEmit(address(meter));
        emit IUsageMeter.RequestOpened(requestId, modelId, requester, request, cost);
        ask();
    }

    function testFuzz_request_survivesPackingOfAnyFacts(
        Terms memory t,
        uint32 intervals,
        uint16 redundancy,
        uint32 timeoutSec,
        bytes calldata payload
    ) public {
        t.trainingPpm = uint24(bound(t.trainingPpm, 0, 1_000_000));
        t.validatorPpm = uint24(bound(t.validatorPpm, 0, 1_000_000 - t.trainingPpm));
        t.maxCompletionTokens = uint32(bound(t.maxCompletionTokens, 1, type(uint32).max));
        IModelHostConsumer.RequestParams memory p = params();
        // No more answers than the escrow of the dearest terms has room for.
        p.intervals = uint32(bound(intervals, 1, 4));
        p.periodSec = p.intervals == 1 ? 0 : 1 hours;
        p.redundancy = uint16(bound(redundancy, 1, 16));
        p.timeoutSec = uint32(bound(timeoutSec, 1, type(uint32).max));
        p.payload = payload;
        vm.assume(payload.length > 0);
        vm.prank(host);
        models.updateTerms(modelId, t);
        token.mint(requester, type(uint128).max);

        uint32 id = ask(p);

        (Request memory request, bytes memory kept) = consumer.requestOf(id);
        assertEq(keccak256(abi.encode(request.terms)), keccak256(abi.encode(t)), "terms");
        assertEq(request.intervals, p.intervals, "intervals");
        assertEq(request.redundancy, p.redundancy, "redundancy");
        uint256 span = p.intervals == 1 ? 0 : (p.intervals + 1) * uint256(1 hours);
        assertEq(request.deadline, block.timestamp + span + p.timeoutSec, "deadline");
        assertEq(request.consumer, address(consumer), "consumer");
        assertEq(request.subscriptionId, id, "subscription");
        assertTrue(request.modelId == modelId, "model");
        assertEq(kept, payload, "payload");
    }

    function test_getContainerInputs_isTheTaskEnvelopeOfTheAskingNode() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 0, 0);

        bytes memory inputs = consumer.getContainerInputs(id, 1, uint32(block.timestamp), node);

        (bytes32 version, TaskEnvelope memory envelope) = abi.decode(inputs, (bytes32, TaskEnvelope));
        assertEq(version, ReceiptLib.TASK_ENVELOPE_TYPEHASH, "version");
        assertEq(envelopeHash(envelope), receipt.inputHash, "the hash that the receipt has to carry");
        assertEq(envelope.payload, PROMPT, "payload");
        assertEq(envelope.node, node, "node");
    }

    function test_getContainerInputs_isEmptyForUnknownSubscriptions() public view {
        assertEq(consumer.getContainerInputs(99, 1, 0, node), "", "nothing");
    }

    function test_requestOf_revertsForUnknownSubscriptions() public {
        vm.expectRevert(abi.encodeWithSelector(IModelHostConsumer.SubscriptionUnknown.selector, 99));
        consumer.requestOf(99);
        (Request memory request, bytes memory payload) = meter.requestOf(address(consumer), 99);
        assertEq(request.requester, address(0), "the meter knows nobody");
        assertEq(payload, "", "and nothing");
    }

    function test_request_revertsWhenUnfunded() public {
        address pauper = actor("pauper");
        vm.startPrank(pauper);
        token.approve(address(consumer), type(uint256).max);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        consumer.request(params());
    }

    function test_request_revertsWithoutApproval() public {
        vm.startPrank(requester);
        token.approve(address(consumer), 0);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        consumer.request(params());
    }

    function test_request_revertsAboveTheRequestersLimit() public {
        IModelHostConsumer.RequestParams memory p = params();
        uint256 cost = consumer.quote(modelId, 1, 1);
        p.maxCost = cost - 1;
        _refused(p, abi.encodeWithSelector(IModelHostConsumer.CostAboveLimit.selector, cost, cost - 1));
        p.maxCost = cost;
        ask(p);
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
        vm.expectEmit(address(meter));
        emit IUsageMeter.RequestsPaused(true);
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
        (p.intervals, p.periodSec, p.redundancy) = (1 << 28, 60, 16);
        _refused(p, abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 1 << 28, 16));
    }

    function test_request_revertsForDeadlinesThatCannotBe() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.timeoutSec = 0;
        _refused(p, abi.encodeWithSelector(IUsageMeter.DeadlineInvalid.selector, block.timestamp));
        Terms memory free = terms();
        (free.requestPrice, free.promptPrice, free.completionPrice) = (0, 0, 0);
        vm.prank(host);
        models.updateTerms(modelId, free);
        (p.intervals, p.periodSec) = (type(uint32).max, 1e9);
        _refused(p, abi.encodeWithSelector(SafeCastLib.Overflow.selector));
    }

    function test_request_revertsForMoreThanTheBooksHold() public {
        Terms memory dear = terms();
        (dear.requestPrice, dear.promptPrice, dear.completionPrice) = (type(uint96).max, 0, 0);
        vm.prank(host);
        models.updateTerms(modelId, dear);
        IModelHostConsumer.RequestParams memory p = params();
        (p.intervals, p.periodSec) = (257, 60);
        uint256 escrow = 257 * uint256(type(uint96).max);
        token.mint(requester, escrow);

        _refused(p, abi.encodeWithSelector(IRewardDistributor.AmountTooLarge.selector, escrow));
    }

    function test_request_revertsForPayloadsOfTheWrongSize() public {
        IModelHostConsumer.RequestParams memory p = params();
        p.payload = "";
        _refused(p, abi.encodeWithSelector(IUsageMeter.PayloadSizeInvalid.selector, 0));
        uint256 most = meter.MAX_PAYLOAD_BYTES();
        p.payload = new bytes(most + 1);
        _refused(p, abi.encodeWithSelector(IUsageMeter.PayloadSizeInvalid.selector, most + 1));
        p.payload = new bytes(most);
        uint32 id = ask(p);
        (, bytes memory kept) = consumer.requestOf(id);
        assertEq(kept.length, most, "kept to the last byte");
    }

    function test_open_revertsForAnyoneButTheConsumer() public {
        IUsageMeter.Opening memory opening = _opening();
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.NotConsumer.selector, address(consumer), host));
        vm.prank(host);
        meter.open(opening, PROMPT);
    }

    /// Consumers are written by others, so that the meter trusts none of them to have looked.
    function test_open_revertsForSchedulesAndDeadlinesThatNoConsumerOfOursSends() public {
        IUsageMeter.Opening memory opening = _opening();
        vm.startPrank(address(consumer));
        opening.redundancy = 17;
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 1, 17));
        meter.open(opening, PROMPT);
        (opening.redundancy, opening.intervals) = (1, 0);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.ScheduleInvalid.selector, 0, 1));
        meter.open(opening, PROMPT);
        (opening.intervals, opening.deadline) = (1, uint40(block.timestamp - 1));
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.DeadlineInvalid.selector, block.timestamp - 1));
        meter.open(opening, PROMPT);
    }

    function test_open_revertsWhenTheEscrowDidNotArrive() public {
        IUsageMeter.Opening memory opening = _opening();
        (, uint256 escrow) = meter.quote(modelId, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.EscrowNotFunded.selector, escrow, 0));
        vm.prank(address(consumer));
        meter.open(opening, PROMPT);
    }

    /// A host that is its own consumer can record an answer to interval 0, which no Coordinator delivers.
    function test_open_revertsForARequestThatWasAnsweredAtIntervalZero() public {
        vm.startPrank(host);
        models.updateConsumer(modelId, host);
        IUsageMeter.Opening memory opening = _opening();
        (, uint256 escrow) = meter.quote(modelId, 1, 1);
        token.mint(address(distributor), 2 * escrow);
        bytes32 requestId = meter.open(opening, PROMPT);
        TaskEnvelope memory envelope = TaskEnvelope({
            chainId: block.chainid,
            consumer: host,
            subscriptionId: 1,
            interval: 0,
            requestId: requestId,
            requester: requester,
            node: node,
            modelId: modelId,
            maxPromptTokens: terms().maxPromptTokens,
            maxCompletionTokens: terms().maxCompletionTokens,
            payload: PROMPT
        });
        UsageReceipt memory receipt = UsageReceipt({
            requestId: requestId,
            modelId: modelId,
            requester: requester,
            node: node,
            interval: 0,
            inputHash: envelopeHash(envelope),
            outputHash: keccak256(ANSWER),
            promptTokens: 1,
            completionTokens: 1
        });
        assertEq(meter.record(1, 0, node, output(receipt), sign(receipt)), requestId, "answered");

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestAlreadyOpen.selector, requestId));
        meter.open(opening, PROMPT);
    }

    function test_open_keepsRequestsOfTwoConsumersApart() public {
        uint32 id = ask();
        vm.startPrank(host);
        models.updateConsumer(modelId, host);
        IUsageMeter.Opening memory opening = _opening();
        opening.subscriptionId = id;
        (, uint256 escrow) = meter.quote(modelId, 1, 1);
        token.mint(address(distributor), escrow);

        bytes32 requestId = meter.open(opening, "another payload");

        assertEq(requestId, meter.requestIdOf(host, id), "of its own");
        (, bytes memory payload) = consumer.requestOf(id);
        assertEq(payload, PROMPT, "the first is untouched");
    }

    function test_requestWithPermit_needsNoApproval() public {
        address permitter = actor("permitter");
        token.mint(permitter, 1_000e18);
        uint256 cost = consumer.quote(modelId, 1, 1);
        (uint8 v, bytes32 r, bytes32 s) = _permit(permitter, cost);

        vm.prank(permitter);
        (uint32 id,) = consumer.requestWithPermit(params(), block.timestamp + 60, v, r, s);

        (Request memory request,) = consumer.requestOf(id);
        assertEq(request.requester, permitter, "requester");
        assertEq(token.balanceOf(permitter), 1_000e18 - cost, "paid");
    }

    function test_requestWithPermit_survivesAPermitUsedByAnother() public {
        address permitter = actor("permitter");
        token.mint(permitter, 1_000e18);
        uint256 cost = consumer.quote(modelId, 1, 1);
        (uint8 v, bytes32 r, bytes32 s) = _permit(permitter, cost);
        token.permit(permitter, address(consumer), cost, block.timestamp + 60, v, r, s);

        vm.prank(permitter);
        (uint32 id,) = consumer.requestWithPermit(params(), block.timestamp + 60, v, r, s);

        (Request memory request,) = consumer.requestOf(id);
        assertEq(request.requester, permitter, "the allowance was there");
    }

    function test_requestWithPermit_revertsForAPermitThatIsNone() public {
        address permitter = actor("permitter");
        token.mint(permitter, 1_000e18);
        vm.expectRevert(SafeTransferLib.TransferFromFailed.selector);
        vm.prank(permitter);
        consumer.requestWithPermit(params(), block.timestamp + 60, 27, 0, 0);
    }

    function _permit(address permitter, uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                permitter,
                address(consumer),
                amount,
                0,
                block.timestamp + 60
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
        return vm.sign(actorKey("permitter"), digest);
    }

    function _opening() private view returns (IUsageMeter.Opening memory) {
        return IUsageMeter.Opening({
            modelId: modelId,
            requester: requester,
            subscriptionId: 1,
            intervals: 1,
            redundancy: 1,
            deadline: uint40(block.timestamp + 1 hours)
        });
    }

    function _refused(IModelHostConsumer.RequestParams memory p, bytes memory revertData) private {
        vm.expectRevert(revertData);
        vm.prank(requester);
        consumer.request(p);
    }
}
