// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {Registry} from "infernet-sdk/Registry.sol";
import {IVerifier} from "infernet-sdk/payments/IVerifier.sol";
import {IReceiptVerifier} from "./interfaces/IReceiptVerifier.sol";
import {IUsageMeter} from "./interfaces/IUsageMeter.sol";

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
        address consumer = COORDINATOR.getSubscription(subscriptionId).owner;
        try METER.checkProof(consumer, subscriptionId, interval, node, proof) {
            valid = true;
        } catch (bytes memory reason) {
            if (!_isNodesFault(bytes4(reason))) _revertWith(reason);
            isRejected[subscriptionId][interval][node] = true;
            emit ReceiptRejected(subscriptionId, interval, node, reason);
        }
        COORDINATOR.finalizeProofVerification(subscriptionId, interval, node, valid);
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

    /// @dev What the proof alone is to blame for. All else depends on what others did meanwhile: a node that was taken off the
    ///      list, a deadline that passed, terms that changed.
    function _isNodesFault(bytes4 reason) internal pure returns (bool) {
        return reason == IUsageMeter.OutputMalformed.selector || reason == IUsageMeter.ReceiptRequestMismatch.selector
            || reason == IUsageMeter.ReceiptModelMismatch.selector
            || reason == IUsageMeter.ReceiptRequesterMismatch.selector
            || reason == IUsageMeter.ReceiptNodeMismatch.selector
            || reason == IUsageMeter.ReceiptIntervalMismatch.selector
            || reason == IUsageMeter.ReceiptInputMismatch.selector || reason == IUsageMeter.UsageAboveCap.selector
            || reason == IUsageMeter.UsageAboveBytes.selector
            || reason == IUsageMeter.ReceiptSignatureInvalid.selector;
    }

    function _revertWith(bytes memory reason) internal pure {
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
