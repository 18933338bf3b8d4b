// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title What a consumer asks of a verifier of usage receipts, beside Infernet's own `IVerifier`.
/// @notice An Infernet payment that names the verifier is released when the delivery's proof holds a valid usage receipt; when it
///         does not, the node's bond goes to the consumer's wallet. The verdict falls within the delivery itself.
/// @notice A node is fined for what its proof says: malformed, another request, node, interval or input, too much usage, not
///         signed by the model's receipt signer. Whatever others can bring about (a node taken off the list, a deadline, terms,
///         a pause, an order that is not in order) undoes the delivery instead, without a fine.
/// @dev Warning: a host that replaces its receipt signer without grace makes receipts under way invalid. Nodes that bond for a
///      host trust it not to.
/// @dev Proofs are abi.encode(UsageReceipt, bytes signature), for an order with the order behind. The hash of the answer and
///      the bound that its length sets on completion tokens are left to the consumer, which sees the answer: it reverts the
///      delivery when they do not hold.
interface IReceiptVerifier {
    /// @notice Thrown when someone other than Infernet's Coordinator asks for a verdict.
    error NotCoordinator(address caller);

    /// @notice A proof was refused and the node's bond went to the consumer's wallet; `reason` is the error that refused it.
    event ReceiptRejected(uint32 indexed subscriptionId, uint32 indexed interval, address indexed node, bytes reason);

    /// @notice True when the proof of this delivery was refused.
    function isRejected(uint32 subscriptionId, uint32 interval, address node) external view returns (bool);
}
