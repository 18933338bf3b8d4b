// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712} from "solady/utils/EIP712.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "./interfaces/IUsageMeter.sol";
import {PricingLib} from "./libraries/PricingLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {ModelId} from "./types/ModelId.sol";
import {Request, Terms, UsageReceipt} from "./types/Usage.sol";

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

    /// @dev Stands in `Progress.interval` of a request that is over, so that its slot never reads as unused again.
    uint32 internal constant CLOSED = type(uint32).max;

    /// @notice The registry of models.
    IModelRegistry public immutable REGISTRY;

    /// @notice The contract that holds escrow and fees.
    IRewardDistributor public immutable DISTRIBUTOR;

    /// @inheritdoc IUsageMeter
    bool public requestsPaused;

    mapping(bytes32 requestId => Progress progress) internal progressById;

    /// @dev Created by the distributor, which is the sender.
    constructor(IModelRegistry registry) {
        REGISTRY = registry;
        DISTRIBUTOR = IRewardDistributor(msg.sender);
    }

    /// @inheritdoc IUsageMeter
    function open(Opening calldata opening) external returns (bytes32 requestId, Request memory request) {
        if (requestsPaused) revert RequestsArePaused();
        (IModelRegistry.Status status, address consumer, Terms memory terms) = REGISTRY.requestFacts(opening.modelId);
        if (status != IModelRegistry.Status.Active) revert ModelNotActive(opening.modelId);
        if (consumer != msg.sender) revert NotConsumer(consumer, msg.sender);
        _checkSchedule(opening.intervals, opening.redundancy);
        if (opening.deadline <= block.timestamp) revert DeadlineInvalid(opening.deadline);

        request = Request({
            consumer: msg.sender,
            subscriptionId: opening.subscriptionId,
            modelId: opening.modelId,
            requester: opening.requester,
            terms: terms,
            deadline: opening.deadline,
            intervals: opening.intervals,
            redundancy: opening.redundancy
        });
        requestId = keccak256(abi.encode(request));
        Progress storage progress = progressById[requestId];
        if (progress.deliveriesLeft != 0 || progress.interval != 0 || progress.answered != 0) {
            revert RequestAlreadyOpen(requestId);
        }

        uint48 deliveries = uint48(opening.intervals) * opening.redundancy;
        uint256 escrow = PricingLib.highestFee(terms) * deliveries;
        progress.deliveriesLeft = deliveries;
        emit RequestOpened(requestId, opening.modelId, opening.requester, request, escrow);
        DISTRIBUTOR.takeEscrow(escrow);
    }

    /// @inheritdoc IUsageMeter
    function record(
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) external returns (uint256 fee) {
        if (request.consumer != msg.sender) revert NotConsumer(request.consumer, msg.sender);
        bytes32 requestId = keccak256(abi.encode(request));
        progressById[requestId] = _check(requestId, request, delivery, receipt, signature);

        Terms memory terms = request.terms;
        fee = PricingLib.feeUp(terms, receipt.promptTokens, receipt.completionTokens);
        uint256 refund = PricingLib.highestFee(terms) - fee;
        (uint256 hostPart, uint256 trainingPart, uint256 validatorPart) = DISTRIBUTOR.bookFee(
            request.modelId, fee, terms.trainingPpm, terms.validatorPpm, request.requester, refund
        );
        emit UsageRecorded(
            requestId,
            request.modelId,
            delivery.node,
            delivery.interval,
            receipt.promptTokens,
            receipt.completionTokens,
            fee,
            hostPart,
            trainingPart,
            validatorPart,
            refund
        );
    }

    /// @inheritdoc IUsageMeter
    function close(Request calldata request) external returns (uint256 refund) {
        bytes32 requestId = keccak256(abi.encode(request));
        Progress storage progress = progressById[requestId];
        uint256 deliveriesLeft = progress.deliveriesLeft;
        if (deliveriesLeft == 0) revert RequestNotOpen(requestId);
        if (block.timestamp <= request.deadline && msg.sender != request.consumer) {
            revert DeadlineNotPassed(requestId, request.deadline);
        }
        progress.deliveriesLeft = 0;
        progress.interval = CLOSED;
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
    function check(
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) external view {
        _check(keccak256(abi.encode(request)), request, delivery, receipt, signature);
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
        (IModelRegistry.Status status,, Terms memory terms) = REGISTRY.requestFacts(modelId);
        if (requestsPaused) revert RequestsArePaused();
        if (status != IModelRegistry.Status.Active) revert ModelNotActive(modelId);
        _checkSchedule(intervals, redundancy);
        perAnswer = PricingLib.highestFee(terms);
        escrow = perAnswer * intervals * redundancy;
    }

    /// @inheritdoc IUsageMeter
    function progressOf(bytes32 requestId) external view returns (Progress memory) {
        return progressById[requestId];
    }

    /// @inheritdoc IUsageMeter
    function receiptDigest(UsageReceipt calldata receipt) external view returns (bytes32) {
        return _hashTypedData(ReceiptLib.structHash(receipt));
    }

    /// @inheritdoc IUsageMeter
    function requestIdOf(Request calldata request) external pure returns (bytes32) {
        return keccak256(abi.encode(request));
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        name = "FLock UsageMeter";
        version = "1";
    }

    function _checkSchedule(uint256 intervals, uint256 redundancy) internal pure {
        if (intervals == 0 || redundancy == 0 || redundancy > MAX_REDUNDANCY) {
            revert ScheduleInvalid(intervals, redundancy);
        }
    }

    /// @return the request's progress once this answer counts
    function _check(
        bytes32 requestId,
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt,
        bytes calldata signature
    ) internal view returns (Progress memory) {
        Progress memory progress = progressById[requestId];
        if (progress.deliveriesLeft == 0) revert RequestNotOpen(requestId);
        if (block.timestamp > request.deadline) revert DeadlinePassed(requestId, request.deadline);
        _checkReceipt(requestId, request, delivery, receipt);
        _checkUsage(request.terms, delivery, receipt);
        uint256 nodeIndex = _checkSigner(request.modelId, delivery.node, receipt, signature);
        return _advance(progress, requestId, delivery, nodeIndex);
    }

    /// @dev The receipt must speak of exactly this request and this delivery.
    function _checkReceipt(
        bytes32 requestId,
        Request calldata request,
        Delivery calldata delivery,
        UsageReceipt calldata receipt
    ) internal pure {
        if (receipt.requestId != requestId) revert ReceiptRequestMismatch(requestId, receipt.requestId);
        if (receipt.modelId != request.modelId) revert ReceiptModelMismatch(request.modelId, receipt.modelId);
        if (receipt.requester != request.requester) {
            revert ReceiptRequesterMismatch(request.requester, receipt.requester);
        }
        if (receipt.node != delivery.node) revert ReceiptNodeMismatch(delivery.node, receipt.node);
        if (receipt.interval != delivery.interval) revert ReceiptIntervalMismatch(delivery.interval, receipt.interval);
        if (receipt.inputHash != delivery.inputHash) revert ReceiptInputMismatch(delivery.inputHash, receipt.inputHash);
        if (receipt.outputHash != delivery.outputHash) {
            revert ReceiptOutputMismatch(delivery.outputHash, receipt.outputHash);
        }
    }

    /// @dev A token stands for at least one byte of UTF-8 text in every tokenizer in use, so bytes bound tokens.
    function _checkUsage(Terms calldata terms, Delivery calldata delivery, UsageReceipt calldata receipt)
        internal
        pure
    {
        uint256 promptTokens = receipt.promptTokens;
        uint256 completionTokens = receipt.completionTokens;
        if (promptTokens > terms.maxPromptTokens) revert UsageAboveCap(promptTokens, terms.maxPromptTokens);
        if (completionTokens > terms.maxCompletionTokens) {
            revert UsageAboveCap(completionTokens, terms.maxCompletionTokens);
        }
        uint256 mostPromptTokens = delivery.promptBytes + PROMPT_OVERHEAD_TOKENS;
        if (promptTokens > mostPromptTokens) revert UsageAboveBytes(promptTokens, mostPromptTokens);
        if (completionTokens > delivery.outputBytes) revert UsageAboveBytes(completionTokens, delivery.outputBytes);
    }

    /// @dev The current signer, or the one before it while its grace lasts.
    /// @return nodeIndex place of the node in the model's list, counted from 1
    function _checkSigner(ModelId modelId, address node, UsageReceipt calldata receipt, bytes calldata signature)
        internal
        view
        returns (uint256 nodeIndex)
    {
        address signer;
        address previousSigner;
        (signer, previousSigner, nodeIndex) = REGISTRY.receiptFacts(modelId, node);
        if (nodeIndex == 0) revert NodeNotListed(modelId, node);
        bytes32 digest = _hashTypedData(ReceiptLib.structHash(receipt));
        if (SignatureCheckerLib.isValidSignatureNowCalldata(signer, digest, signature)) return nodeIndex;
        if (
            previousSigner != address(0)
                && SignatureCheckerLib.isValidSignatureNowCalldata(previousSigner, digest, signature)
        ) return nodeIndex;
        revert ReceiptSignatureInvalid(digest, signer);
    }

    /// @dev Marks the node's answer of the interval. Intervals only move forward.
    function _advance(Progress memory progress, bytes32 requestId, Delivery calldata delivery, uint256 nodeIndex)
        internal
        pure
        returns (Progress memory)
    {
        if (delivery.interval < progress.interval) {
            revert IntervalPassed(requestId, delivery.interval, progress.interval);
        }
        uint32 mark = uint32(1 << (nodeIndex - 1));
        uint32 answered = delivery.interval == progress.interval ? progress.answered : 0;
        if (answered & mark != 0) revert ReceiptAlreadyRecorded(requestId, delivery.interval, delivery.node);
        return Progress({
            deliveriesLeft: progress.deliveriesLeft - 1,
            interval: delivery.interval,
            answered: answered | mark
        });
    }
}
