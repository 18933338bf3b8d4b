// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What a consumer asks of a verifier of usage receipts, beside Infernet's own `IVerifier`.
/// @notice An Infernet payment that names the verifier is released when the delivery's proof holds a valid usage receipt; when it
///         does not, the node's bond goes to the consumer's wallet. The verdict falls within the delivery itself.
/// @dev Proofs are abi.encode(UsageReceipt, bytes signature), for an order with the order behind. The hash of the answer and the bound that its length sets on
///      completion tokens are left to the consumer, which sees the answer: it reverts the delivery when they do not hold.
interface IReceiptVerifier {
    /// @notice Thrown when someone other than Infernet's Coordinator asks for a verdict.
    error NotCoordinator(address caller);

    /// @notice A proof was refused and the node's bond went to the consumer's wallet; `reason` is the error that refused it.
    event ReceiptRejected(uint32 indexed subscriptionId, uint32 indexed interval, address indexed node, bytes reason);

    /// @notice True when the proof of this delivery was refused.
    function isRejected(uint32 subscriptionId, uint32 interval, address node) external view returns (bool);
}
