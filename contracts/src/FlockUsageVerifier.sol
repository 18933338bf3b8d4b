// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {Registry} from "infernet-sdk/Registry.sol";
import {IVerifier} from "infernet-sdk/payments/IVerifier.sol";
import {IModelHostConsumer} from "./interfaces/IModelHostConsumer.sol";
import {IReceiptVerifier} from "./interfaces/IReceiptVerifier.sol";
import {IUsageMeter} from "./interfaces/IUsageMeter.sol";
import {OutputLib} from "./libraries/OutputLib.sol";
import {ReceiptLib} from "./libraries/ReceiptLib.sol";
import {Request, TaskEnvelope, UsageReceipt} from "./types/Usage.sol";

/// @title FlockUsageVerifier
/// @notice Takes no fee, supports every token, serves any number of consumers and has no owner.
contract FlockUsageVerifier is IReceiptVerifier, IVerifier {
    /// @notice Infernet's Coordinator.
    EIP712Coordinator public immutable COORDINATOR;

    /// @notice The meter whose rules a receipt has to meet.
    IUsageMeter public immutable METER;

    /// @inheritdoc IReceiptVerifier
    mapping(uint32 subscriptionId => mapping(uint32 interval => mapping(address node => bool rejected))) public
        isRejected;

    constructor(address infernetRegistry, address usageMeter) {
        COORDINATOR = EIP712Coordinator(Registry(infernetRegistry).COORDINATOR());
        METER = IUsageMeter(usageMeter);
    }

    /// @dev Part of `IVerifier`; no fee is taken, so nothing is meant to arrive.
    receive() external payable {}

    /// @inheritdoc IVerifier
    function requestProofVerification(uint32 subscriptionId, uint32 interval, address node, bytes calldata proof)
        external
    {
        if (msg.sender != address(COORDINATOR)) revert NotCoordinator(msg.sender);
        bool valid;
        try this.checkProof(subscriptionId, interval, node, proof) {
            valid = true;
        } catch (bytes memory reason) {
            isRejected[subscriptionId][interval][node] = true;
            emit ReceiptRejected(subscriptionId, interval, node, reason);
        }
        COORDINATOR.finalizeProofVerification(subscriptionId, interval, node, valid);
    }

    /// @notice Reverts with the reason when a proof does not hold a valid usage receipt for this delivery.
    function checkProof(uint32 subscriptionId, uint32 interval, address node, bytes calldata proof) external view {
        (bool ok, UsageReceipt memory receipt, bytes memory signature) = OutputLib.decodeProof(proof);
        if (!ok) revert IModelHostConsumer.OutputMalformed(proof.length);
        address consumer = COORDINATOR.getSubscription(subscriptionId).owner;
        (Request memory request, bytes memory payload) = IModelHostConsumer(consumer).requestOf(subscriptionId);
        if (request.consumer != consumer) revert IUsageMeter.NotConsumer(request.consumer, consumer);
        if (request.subscriptionId != subscriptionId) revert IModelHostConsumer.SubscriptionUnknown(subscriptionId);
        METER.check(
            request, _delivery(request, payload, interval, node, receipt), receipt, signature
        );
    }

    /// @inheritdoc IVerifier
    function getWallet() external view returns (address) {
        return address(this);
    }

    /// @inheritdoc IVerifier
    function isSupportedToken(address) external pure returns (bool) {
        return true;
    }

    /// @inheritdoc IVerifier
    function fee(address) external pure returns (uint256) {
        return 0;
    }

    /// @dev What is not known here, the answer, is taken as the receipt says.
    function _delivery(
        Request memory request,
        bytes memory payload,
        uint32 interval,
        address node,
        UsageReceipt memory receipt
    ) internal view returns (IUsageMeter.Delivery memory) {
        TaskEnvelope memory envelope = TaskEnvelope({
            chainId: block.chainid,
            consumer: request.consumer,
            subscriptionId: request.subscriptionId,
            interval: interval,
            requestId: keccak256(abi.encode(request)),
            requester: request.requester,
            node: node,
            modelId: request.modelId,
            maxPromptTokens: request.terms.maxPromptTokens,
            maxCompletionTokens: request.terms.maxCompletionTokens,
            payload: payload
        });
        return IUsageMeter.Delivery({
            node: node,
            interval: interval,
            inputHash: ReceiptLib.structHash(envelope),
            outputHash: receipt.outputHash,
            promptBytes: payload.length,
            outputBytes: receipt.completionTokens
        });
    }
}
