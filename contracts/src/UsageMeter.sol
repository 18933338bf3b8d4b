// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ECDSA} from "solady/utils/ECDSA.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "./interfaces/IUsageMeter.sol";
import {OutputLib} from "./libraries/OutputLib.sol";
import {PricingLib} from "./libraries/PricingLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {RequestLib} from "./libraries/RequestLib.sol";
import {ModelId} from "./types/ModelId.sol";
import {Order, Request, Task, Terms, UsageReceipt} from "./types/Usage.sol";

/// @dev The part of a two-step owned contract that the meter reads.
interface IOwned {
    function owner() external view returns (address);
}

/// @title UsageMeter
contract UsageMeter is IUsageMeter, EIP712 {
    /// @inheritdoc IUsageMeter
    uint256 public constant PROMPT_OVERHEAD_TOKENS = 128;

    /// @inheritdoc IUsageMeter
    uint256 public constant MAX_REDUNDANCY = 16;

    /// @inheritdoc IUsageMeter
    /// @dev EIP-170 allows 24,576 bytes of code, one of which is SSTORE2's own.
    uint256 public constant MAX_PAYLOAD_BYTES = 24_575 - RequestLib.FACTS_BYTES;

    /// @notice The registry of models.
    IModelRegistry public immutable REGISTRY;

    /// @notice The contract that holds escrow and fees.
    IRewardDistributor public immutable DISTRIBUTOR;

    /// @inheritdoc IUsageMeter
    bool public requestsPaused;

    /// @dev All of a request in one slot. `data` holds its facts and payload as contract code; an order has none.
    struct Ticket {
        address data;
        uint32 deliveriesLeft;
        uint32 interval;
        uint32 answered;
    }

    /// @dev What a receipt must agree with: the task that was given, and the answer that came.
    struct Delivery {
        Task task;
        Terms terms;
        uint256 deadline;
        uint256 promptBytes;
        bytes32 outputHash;
        uint256 outputBytes;
    }

    mapping(bytes32 requestId => Ticket ticket) internal tickets;

    /// @dev Created by the distributor, which is the sender.
    constructor(IModelRegistry registry) {
        REGISTRY = registry;
        DISTRIBUTOR = IRewardDistributor(msg.sender);
    }

    /// @inheritdoc IUsageMeter
    function open(Opening calldata opening, bytes calldata payload)
        external
        returns (bytes32 requestId)
    {
        if (payload.length == 0 || payload.length > MAX_PAYLOAD_BYTES) revert PayloadSizeInvalid(payload.length);
        _checkSchedule(opening.intervals, opening.redundancy);
        if (opening.deadline <= block.timestamp) revert DeadlineInvalid(opening.deadline);
        Request memory request;
        request.terms = _termsFor(opening.modelId, msg.sender);
        request.consumer = msg.sender;
        request.subscriptionId = opening.subscriptionId;
        request.modelId = opening.modelId;
        request.requester = opening.requester;
        request.deadline = opening.deadline;
        request.intervals = opening.intervals;
        request.redundancy = opening.redundancy;

        requestId = _requestIdOf(msg.sender, opening.subscriptionId);
        Ticket storage ticket = tickets[requestId];
        if (ticket.data != address(0)) revert RequestAlreadyOpen(requestId);
        uint256 deliveries = uint256(opening.intervals) * opening.redundancy;
        uint256 escrow = PricingLib.highestFee(request.terms) * deliveries;
        ticket.data = SSTORE2.write(RequestLib.pack(request, payload));
        ticket.deliveriesLeft = uint32(deliveries);
        emit RequestOpened(requestId, opening.modelId, opening.requester, request, escrow);
        DISTRIBUTOR.takeEscrow(escrow);
    }

    /// @inheritdoc IUsageMeter
    function record(uint32 subscriptionId, uint32 interval, address node, bytes calldata output, bytes calldata proof)
        external
        returns (bytes32 requestId)
    {
        (bool ok, bytes calldata answer, UsageReceipt calldata receipt) = OutputLib.decode(output);
        if (!ok) revert OutputMalformed(output.length);
        requestId = _requestIdOf(msg.sender, subscriptionId);
        Ticket memory ticket = tickets[requestId];
        Delivery memory delivery = ticket.data == address(0)
            ? _deliveryForOrder(requestId, msg.sender, interval, node, proof)
            : _delivery(ticket, requestId, msg.sender, subscriptionId, interval, node);
        requestId = delivery.task.requestId;
        delivery.outputHash = keccak256(answer);
        delivery.outputBytes = answer.length;
        _check(ticket, delivery, receipt, OutputLib.signatureOf(proof, receipt));
        tickets[requestId] = ticket;
        _book(delivery, receipt, ticket.data == address(0));
    }

    /// @inheritdoc IUsageMeter
    function close(address consumer, uint32 subscriptionId) external returns (uint256 refund) {
        bytes32 requestId = _requestIdOf(consumer, subscriptionId);
        Ticket storage ticket = tickets[requestId];
        uint256 deliveriesLeft = ticket.deliveriesLeft;
        if (deliveriesLeft == 0) revert RequestNotOpen(requestId);
        Request memory request = RequestLib.unpack(SSTORE2.read(ticket.data), consumer, subscriptionId);
        if (block.timestamp <= request.deadline && msg.sender != consumer) {
            revert DeadlineNotPassed(requestId, request.deadline);
        }
        ticket.deliveriesLeft = 0;
        refund = PricingLib.highestFee(request.terms) * deliveriesLeft;
        emit RequestClosed(requestId, request.requester, refund);
        DISTRIBUTOR.refundEscrow(request.requester, refund);
    }

    /// @inheritdoc IUsageMeter
    function setRequestsPaused(bool paused) external {
        if (msg.sender != IOwned(address(DISTRIBUTOR)).owner()) revert NotOwner(msg.sender);
        requestsPaused = paused;
        emit RequestsPaused(paused);
    }

    /// @inheritdoc IUsageMeter
    function checkProof(
        address consumer,
        uint32 subscriptionId,
        uint32 interval,
        address node,
        bytes calldata proof
    ) external view {
        (bool ok, UsageReceipt calldata receipt, bytes calldata signature) = OutputLib.decodeProof(proof);
        if (!ok) revert OutputMalformed(proof.length);
        bytes32 requestId = _requestIdOf(consumer, subscriptionId);
        Ticket memory ticket = tickets[requestId];
        Delivery memory delivery = ticket.data == address(0)
            ? _deliveryForOrder(requestId, consumer, interval, node, proof)
            : _delivery(ticket, requestId, consumer, subscriptionId, interval, node);
        delivery.outputHash = receipt.outputHash;
        delivery.outputBytes = receipt.completionTokens;
        _check(ticket, delivery, receipt, signature);
    }

    /// @inheritdoc IUsageMeter
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @inheritdoc IUsageMeter
    function quote(ModelId modelId, uint32 intervals, uint16 redundancy)
        external
        view
        returns (uint256 perAnswer, uint256 escrow)
    {
        _checkSchedule(intervals, redundancy);
        perAnswer = PricingLib.highestFee(_termsFor(modelId, address(0)));
        escrow = perAnswer * intervals * redundancy;
    }

    /// @inheritdoc IUsageMeter
    function requestOf(address consumer, uint32 subscriptionId)
        external
        view
        returns (Request memory request, bytes memory payload)
    {
        address data = tickets[_requestIdOf(consumer, subscriptionId)].data;
        if (data == address(0)) return (request, payload);
        bytes memory packed = SSTORE2.read(data);
        return (RequestLib.unpack(packed, consumer, subscriptionId), RequestLib.payloadOf(packed));
    }

    /// @inheritdoc IUsageMeter
    function progressOf(bytes32 requestId) external view returns (Progress memory) {
        Ticket memory ticket = tickets[requestId];
        return Progress(ticket.deliveriesLeft, ticket.interval, ticket.answered);
    }

    /// @inheritdoc IUsageMeter
    function receiptDigest(UsageReceipt calldata receipt) external view returns (bytes32) {
        return _hashTypedData(ReceiptLib.structHash(receipt));
    }

    /// @inheritdoc IUsageMeter
    function orderDigest(Order calldata order) external view returns (bytes32) {
        return _hashTypedData(ReceiptLib.structHash(order));
    }

    /// @inheritdoc IUsageMeter
    function requestIdOf(address consumer, uint32 subscriptionId) external pure returns (bytes32) {
        return _requestIdOf(consumer, subscriptionId);
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        name = "FLock UsageMeter";
        version = "1";
    }

    /// @dev An order's id is an EIP-712 digest, so the two kinds of id cannot meet.
    function _requestIdOf(address consumer, uint32 subscriptionId) internal pure returns (bytes32) {
        return keccak256(abi.encode(consumer, subscriptionId));
    }

    /// @dev Terms for something new. Zero as consumer asks for nobody in particular.
    function _termsFor(ModelId modelId, address consumer) internal view returns (Terms memory terms) {
        IModelRegistry.Status status;
        address registered;
        if (requestsPaused) revert RequestsArePaused();
        (status, registered, terms) = REGISTRY.requestFacts(modelId);
        if (status != IModelRegistry.Status.Active) revert ModelNotActive(modelId);
        if (consumer != address(0) && consumer != registered) revert NotConsumer(registered, consumer);
    }

    /// @dev All deliveries of a request must fit its counter.
    function _checkSchedule(uint256 intervals, uint256 redundancy) internal pure {
        if (
            intervals == 0 || redundancy == 0 || redundancy > MAX_REDUNDANCY
                || intervals * redundancy > type(uint32).max
        ) revert ScheduleInvalid(intervals, redundancy);
    }

    /// @dev What a delivery for an open request must agree with. The answer is left to the caller.
    function _delivery(
        Ticket memory ticket,
        bytes32 requestId,
        address consumer,
        uint32 subscriptionId,
        uint32 interval,
        address node
    ) internal view returns (Delivery memory) {
        if (ticket.deliveriesLeft == 0) revert RequestNotOpen(requestId);
        bytes memory packed = SSTORE2.read(ticket.data);
        Request memory request = RequestLib.unpack(packed, consumer, subscriptionId);
        return Delivery({
            task: Task({
                consumer: consumer,
                subscriptionId: subscriptionId,
                interval: interval,
                requestId: requestId,
                requester: request.requester,
                node: node,
                modelId: request.modelId,
                maxPromptTokens: request.terms.maxPromptTokens,
                maxCompletionTokens: request.terms.maxCompletionTokens,
                payloadHash: RequestLib.payloadHash(packed)
            }),
            terms: request.terms,
            deadline: request.deadline,
            promptBytes: RequestLib.payloadBytes(packed),
            outputHash: 0,
            outputBytes: 0
        });
    }

    /// @dev The same for the order that a proof brings. It must be its requester's, unused, and for the model's present terms.
    /// @param unknownId the request that the subscription would have
    function _deliveryForOrder(
        bytes32 unknownId,
        address consumer,
        uint32 interval,
        address node,
        bytes calldata proof
    ) internal view returns (Delivery memory) {
        (bool ok, Order calldata order, bytes calldata signature) = OutputLib.decodeOrder(proof);
        if (!ok) revert RequestNotOpen(unknownId);
        if (order.consumer != consumer) revert NotConsumer(order.consumer, consumer);
        bytes32 requestId = _hashTypedData(ReceiptLib.structHash(order));
        if (tickets[requestId].answered != 0) revert OrderUsed(requestId);
        if (!SignatureCheckerLib.isValidSignatureNowCalldata(order.requester, requestId, signature)) {
            revert OrderSignatureInvalid(requestId, order.requester);
        }
        Terms memory terms = _termsFor(order.modelId, consumer);
        if (keccak256(abi.encode(terms)) != keccak256(abi.encode(order.terms))) revert TermsChanged(order.modelId);
        return Delivery({
            task: Task({
                consumer: consumer,
                subscriptionId: 0,
                interval: interval,
                requestId: requestId,
                requester: order.requester,
                node: node,
                modelId: order.modelId,
                maxPromptTokens: terms.maxPromptTokens,
                maxCompletionTokens: terms.maxCompletionTokens,
                payloadHash: order.payloadHash
            }),
            terms: terms,
            deadline: order.deadline,
            promptBytes: order.payloadBytes,
            outputHash: 0,
            outputBytes: 0
        });
    }

    /// @dev `ticket` becomes the one that counts this answer; that of an order has one answer to give.
    function _check(
        Ticket memory ticket,
        Delivery memory delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) internal view {
        Task memory task = delivery.task;
        if (block.timestamp > delivery.deadline) revert DeadlinePassed(task.requestId, delivery.deadline);
        _checkReceipt(delivery, receipt);
        _checkUsage(delivery, receipt);
        uint256 place = _checkSigner(task.modelId, task.node, receipt, signature);
        if (ticket.data == address(0)) ticket.deliveriesLeft = 1;
        _advance(ticket, task, place);
    }

    /// @dev The receipt must speak of exactly this request and this delivery.
    function _checkReceipt(Delivery memory delivery, UsageReceipt calldata receipt) internal view {
        Task memory task = delivery.task;
        if (receipt.requestId != task.requestId) revert ReceiptRequestMismatch(task.requestId, receipt.requestId);
        if (receipt.modelId != task.modelId) revert ReceiptModelMismatch(task.modelId, receipt.modelId);
        if (receipt.requester != task.requester) revert ReceiptRequesterMismatch(task.requester, receipt.requester);
        if (receipt.node != task.node) revert ReceiptNodeMismatch(task.node, receipt.node);
        if (receipt.interval != task.interval) revert ReceiptIntervalMismatch(task.interval, receipt.interval);
        bytes32 inputHash = ReceiptLib.envelopeHash(task);
        if (receipt.inputHash != inputHash) revert ReceiptInputMismatch(inputHash, receipt.inputHash);
        if (receipt.outputHash != delivery.outputHash) {
            revert ReceiptOutputMismatch(delivery.outputHash, receipt.outputHash);
        }
    }

    /// @dev A token stands for at least one byte of UTF-8 text in every tokenizer in use, so bytes bound tokens.
    function _checkUsage(Delivery memory delivery, UsageReceipt calldata receipt) internal pure {
        uint256 promptTokens = receipt.promptTokens;
        uint256 completionTokens = receipt.completionTokens;
        Task memory task = delivery.task;
        if (promptTokens > task.maxPromptTokens) revert UsageAboveCap(promptTokens, task.maxPromptTokens);
        if (completionTokens > task.maxCompletionTokens) {
            revert UsageAboveCap(completionTokens, task.maxCompletionTokens);
        }
        uint256 mostPromptTokens = delivery.promptBytes + PROMPT_OVERHEAD_TOKENS;
        if (promptTokens > mostPromptTokens) revert UsageAboveBytes(promptTokens, mostPromptTokens);
        if (completionTokens > delivery.outputBytes) revert UsageAboveBytes(completionTokens, delivery.outputBytes);
    }

    /// @dev The current signer, or the one before it while its grace lasts. A key is tried before a contract (ERC-1271),
    ///      since most signers are keys and asking whether there is code costs as much as a signature.
    function _checkSigner(ModelId modelId, address node, UsageReceipt calldata receipt, bytes calldata signature)
        internal
        view
        returns (uint256 place)
    {
        address signer;
        (signer, place) = REGISTRY.receiptFacts(modelId, node);
        if (place == 0) revert NodeNotListed(modelId, node);
        bytes32 digest = _hashTypedData(ReceiptLib.structHash(receipt));
        if (ECDSA.tryRecoverCalldata(digest, signature) == signer) return place;
        if (SignatureCheckerLib.isValidSignatureNowCalldata(signer, digest, signature)) return place;
        address previousSigner = REGISTRY.previousSignerOf(modelId);
        if (SignatureCheckerLib.isValidSignatureNowCalldata(previousSigner, digest, signature)) return place;
        revert ReceiptSignatureInvalid(digest, signer);
    }

    /// @dev Marks the node's answer of the interval. Intervals only move forward.
    function _advance(Ticket memory ticket, Task memory task, uint256 place) internal pure {
        if (task.interval < ticket.interval) revert IntervalPassed(task.requestId, task.interval, ticket.interval);
        uint32 mark = uint32(1 << (place - 1));
        uint32 answered = task.interval == ticket.interval ? ticket.answered : 0;
        if (answered & mark != 0) revert ReceiptAlreadyRecorded(task.requestId, task.interval, task.node);
        unchecked {
            --ticket.deliveriesLeft;
        }
        ticket.interval = task.interval;
        ticket.answered = answered | mark;
    }

    /// @dev Fee and split of a delivery that was checked. An order is paid from the balance, all else from its escrow.
    function _book(Delivery memory delivery, UsageReceipt calldata receipt, bool isOrder) internal {
        Task memory task = delivery.task;
        Terms memory terms = delivery.terms;
        uint256 fee = PricingLib.feeUp(terms, receipt.promptTokens, receipt.completionTokens);
        uint256 refund;
        if (isOrder) DISTRIBUTOR.takeBalance(task.requester, fee);
        else refund = PricingLib.highestFee(terms) - fee;
        (uint256 trainingPart, uint256 validatorPart) = DISTRIBUTOR.bookFee(
            task.modelId, fee, terms.trainingPpm, terms.validatorPpm, task.requester, refund
        );
        emit UsageRecorded(
            task.requestId,
            task.modelId,
            task.node,
            task.interval,
            receipt.promptTokens,
            receipt.completionTokens,
            fee,
            fee - trainingPart - validatorPart,
            trainingPart,
            validatorPart,
            refund
        );
    }
}
