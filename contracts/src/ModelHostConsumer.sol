// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SubscriptionConsumer} from "infernet-sdk/consumer/Subscription.sol";
import {Delegator} from "infernet-sdk/pattern/Delegator.sol";
import {LibBit} from "solady/utils/LibBit.sol";
import {SafeCastLib} from "solady/utils/SafeCastLib.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IERC20Permit} from "./interfaces/IERC20Permit.sol";
import {IModelHostConsumer} from "./interfaces/IModelHostConsumer.sol";
import {IReceiptVerifier} from "./interfaces/IReceiptVerifier.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "./interfaces/IUsageMeter.sol";
import {OutputLib} from "./libraries/OutputLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {ModelId} from "./types/ModelId.sol";
import {Request, TaskEnvelope} from "./types/Usage.sol";

/// @dev What the meter publishes about its surroundings.
interface IMeterContext {
    function REGISTRY() external view returns (IModelRegistry);
    function DISTRIBUTOR() external view returns (IRewardDistributor);
}

/// @title ModelHostConsumer
/// @dev Compiles against Ritual's infernet-sdk 1.1.0 as against the copy in contracts/infernet. A host's own contract inherits
///      this one and overrides `_onAnswer` when something shall happen with an answer on chain.
contract ModelHostConsumer is IModelHostConsumer, SubscriptionConsumer, Delegator {
    using SafeTransferLib for address;

    /// @inheritdoc IModelHostConsumer
    address public immutable HOST;

    /// @inheritdoc IModelHostConsumer
    address public immutable METER;

    /// @notice The registry of models.
    address public immutable MODELS;

    /// @notice Where escrow goes.
    address public immutable DISTRIBUTOR;

    /// @notice The token of prices and fees.
    address public immutable PAYMENT_TOKEN;

    /// @notice What Infernet pays nodes per delivery of requests to come.
    NodePayment public nodePayment;

    modifier onlyHost() {
        if (msg.sender != HOST) revert NotHost(msg.sender);
        _;
    }

    /// @param infernetRegistry Infernet's Registry on this chain
    /// @param usageMeter FLock's UsageMeter on this chain
    /// @param host the model host; settings are its affair, and the models it serves are registered by it
    /// @param delegateSigner account whose EIP-712 signatures create delegated subscriptions for this contract
    constructor(address infernetRegistry, address usageMeter, address host, address delegateSigner)
        SubscriptionConsumer(infernetRegistry)
        Delegator(delegateSigner)
    {
        HOST = host;
        METER = usageMeter;
        MODELS = address(IMeterContext(usageMeter).REGISTRY());
        DISTRIBUTOR = address(IMeterContext(usageMeter).DISTRIBUTOR());
        PAYMENT_TOKEN = IRewardDistributor(DISTRIBUTOR).PAYMENT_TOKEN();
    }

    /// @inheritdoc IModelHostConsumer
    function request(RequestParams calldata params) external returns (uint32 subscriptionId, bytes32 requestId) {
        return _request(params);
    }

    /// @inheritdoc IModelHostConsumer
    function requestWithPermit(RequestParams calldata params, uint256 permitDeadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint32 subscriptionId, bytes32 requestId)
    {
        uint256 cost = quote(params.modelId, params.intervals, params.redundancy);
        try IERC20Permit(PAYMENT_TOKEN).permit(msg.sender, address(this), cost, permitDeadline, v, r, s) {} catch {}
        return _request(params);
    }

    /// @inheritdoc IModelHostConsumer
    function cancel(uint32 subscriptionId) external returns (uint256 refund) {
        (Request memory request_,) = _load(subscriptionId);
        if (msg.sender != request_.requester) revert NotRequester(msg.sender);
        if (block.timestamp <= request_.deadline) _checkNoAnswerPending(subscriptionId, request_);
        return _end(subscriptionId);
    }

    /// @inheritdoc IModelHostConsumer
    function reclaim(uint32 subscriptionId) external returns (uint256 refund) {
        (Request memory request_,) = _load(subscriptionId);
        if (block.timestamp <= request_.deadline) {
            revert IUsageMeter.DeadlineNotPassed(_requestIdOf(subscriptionId), request_.deadline);
        }
        return _end(subscriptionId);
    }

    /// @inheritdoc IModelHostConsumer
    function setNodePayment(NodePayment calldata payment) external onlyHost {
        nodePayment = payment;
        emit NodePaymentSet(payment);
    }

    /// @inheritdoc IModelHostConsumer
    function setDelegateSigner(address signer) external onlyHost {
        _updateSigner(signer);
        emit DelegateSignerSet(signer);
    }

    /// @notice The task envelope of a request for one node and interval; nothing for other subscriptions.
    function getContainerInputs(uint32 subscriptionId, uint32 interval, uint32, address caller)
        external
        view
        override
        returns (bytes memory)
    {
        (Request memory request_, bytes memory payload) = IUsageMeter(METER).requestOf(address(this), subscriptionId);
        if (request_.requester == address(0)) return "";
        return ReceiptLib.encode(
            TaskEnvelope({
                chainId: block.chainid,
                consumer: address(this),
                subscriptionId: subscriptionId,
                interval: interval,
                requestId: _requestIdOf(subscriptionId),
                requester: request_.requester,
                node: caller,
                modelId: request_.modelId,
                maxPromptTokens: request_.terms.maxPromptTokens,
                maxCompletionTokens: request_.terms.maxCompletionTokens,
                payload: payload
            })
        );
    }

    /// @inheritdoc IModelHostConsumer
    function requestOf(uint32 subscriptionId)
        external
        view
        returns (Request memory request_, bytes memory payload)
    {
        return _load(subscriptionId);
    }

    /// @inheritdoc IModelHostConsumer
    function quote(ModelId modelId, uint32 intervals, uint16 redundancy) public view returns (uint256 escrow) {
        (, escrow) = IUsageMeter(METER).quote(modelId, intervals, redundancy);
    }

    /// @dev Called with every accepted answer, after its fee is booked.
    /// @dev Warning: a revert here refuses the delivery, so that the node's work and the fee are lost.
    function _onAnswer(bytes32 requestId, uint32 interval, address node, bytes memory answer) internal virtual {
        emit AnswerReceived(requestId, interval, node, answer);
    }

    /// @dev The Coordinator is the caller (checked in `rawReceiveCompute`). A revert fails the whole delivery.
    function _receiveCompute(
        uint32 subscriptionId,
        uint32 interval,
        uint16,
        address node,
        bytes calldata,
        bytes calldata output,
        bytes calldata proof,
        bytes32 containerId,
        uint256 index
    ) internal override {
        // A lazy delivery comes empty and names the place in the Inbox; `containerId` tells, since `index` may be 0.
        if (containerId == 0) {
            _acceptEager(subscriptionId, interval, node, output, proof);
        } else {
            _acceptLazy(
                subscriptionId,
                interval,
                node,
                INBOX.read(containerId, node, index).output,
                INBOX.read(containerId, node, index).proof
            );
        }
    }

    function _acceptEager(
        uint32 subscriptionId,
        uint32 interval,
        address node,
        bytes calldata output,
        bytes calldata proof
    ) internal {
        try IUsageMeter(METER).record(subscriptionId, interval, node, output, proof) returns (bytes32 requestId) {
            _onAnswer(requestId, interval, node, OutputLib.answerOf(output));
        } catch (bytes memory reason) {
            _refuse(subscriptionId, interval, node, reason);
        }
    }

    function _acceptLazy(
        uint32 subscriptionId,
        uint32 interval,
        address node,
        bytes memory output,
        bytes memory proof
    ) internal {
        try IUsageMeter(METER).record(subscriptionId, interval, node, output, proof) returns (bytes32 requestId) {
            // The meter accepted the output, so it does decode.
            (bytes memory answer,) = abi.decode(output, (bytes, bytes));
            _onAnswer(requestId, interval, node, answer);
        } catch (bytes memory reason) {
            _refuse(subscriptionId, interval, node, reason);
        }
    }

    /// @dev Reverts with the reason, so that the delivery never happened, unless the subscription's verifier fined the node
    ///      for it in this transaction: a revert would take the fine back.
    function _refuse(uint32 subscriptionId, uint32 interval, address node, bytes memory reason) internal {
        address verifier = COORDINATOR.getSubscription(subscriptionId).verifier;
        if (verifier != address(0)) {
            (bool ok, bytes memory fined) =
                verifier.staticcall(abi.encodeCall(IReceiptVerifier.isRejected, (subscriptionId, interval, node)));
            if (ok && fined.length == 32 && abi.decode(fined, (uint256)) == 1) {
                emit AnswerRefused(_requestIdOf(subscriptionId), interval, node, reason);
                return;
            }
        }
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }

    function _request(RequestParams calldata params) internal returns (uint32 subscriptionId, bytes32 requestId) {
        if ((params.intervals > 1) != (params.periodSec > 0)) {
            revert ScheduleInvalid(params.intervals, params.periodSec);
        }
        uint256 cost = quote(params.modelId, params.intervals, params.redundancy);
        if (cost > params.maxCost) revert CostAboveLimit(cost, params.maxCost);
        PAYMENT_TOKEN.safeTransferFrom(msg.sender, DISTRIBUTOR, cost);

        subscriptionId = _subscribe(params);
        requestId = IUsageMeter(METER).open(
            IUsageMeter.Opening({
                modelId: params.modelId,
                requester: msg.sender,
                subscriptionId: subscriptionId,
                intervals: params.intervals,
                redundancy: params.redundancy,
                deadline: _deadline(params)
            }),
            params.payload
        );
    }

    function _subscribe(RequestParams calldata params) internal returns (uint32) {
        NodePayment memory payment;
        if (nodePayment.wallet != address(0)) payment = nodePayment;
        return _createComputeSubscription(
            IModelRegistry(MODELS).containersOf(params.modelId),
            params.intervals,
            params.periodSec,
            params.redundancy,
            params.lazy,
            payment.token,
            payment.amount,
            payment.wallet,
            payment.verifier
        );
    }

    /// @dev A recurring subscription starts one period after its creation; its last interval ends `intervals` later.
    function _deadline(RequestParams calldata params) internal view returns (uint40) {
        uint256 span = params.intervals == 1 ? 0 : (uint256(params.intervals) + 1) * params.periodSec;
        return SafeCastLib.toUint40(block.timestamp + span + params.timeoutSec);
    }

    /// @dev Whoever cancels while a node's answer is on its way would read the answer and not pay for it.
    function _checkNoAnswerPending(uint32 subscriptionId, Request memory request_) internal view {
        uint32 activeAt = COORDINATOR.getSubscription(subscriptionId).activeAt;
        if (block.timestamp < activeAt) return;
        uint32 current =
            COORDINATOR.getSubscriptionInterval(activeAt, COORDINATOR.getSubscription(subscriptionId).period);
        if (current > request_.intervals) return;
        IUsageMeter.Progress memory progress = IUsageMeter(METER).progressOf(_requestIdOf(subscriptionId));
        bool answered = progress.interval == current && LibBit.popCount(progress.answered) >= request_.redundancy;
        bool idle = current > uint256(progress.interval) + 1;
        if (!answered && !idle) revert AnswerPending(subscriptionId, current);
    }

    function _end(uint32 subscriptionId) internal returns (uint256 refund) {
        emit RequestCancelled(_requestIdOf(subscriptionId), subscriptionId);
        _cancelComputeSubscription(subscriptionId);
        return IUsageMeter(METER).close(address(this), subscriptionId);
    }

    function _requestIdOf(uint32 subscriptionId) internal view returns (bytes32) {
        return IUsageMeter(METER).requestIdOf(address(this), subscriptionId);
    }

    function _load(uint32 subscriptionId) internal view returns (Request memory request_, bytes memory payload) {
        (request_, payload) = IUsageMeter(METER).requestOf(address(this), subscriptionId);
        if (request_.requester == address(0)) revert SubscriptionUnknown(subscriptionId);
    }
}
