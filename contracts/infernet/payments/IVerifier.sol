// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title What the Coordinator asks of a verifier of proofs.
/// @dev Paid before it does anything. It must call `Coordinator.finalizeProofVerification`, within the request (atomic)
/// or within the seven days after it (optimistic); later, the node is paid whatever the proof was worth.
interface IVerifier {
    /// @notice Where the verifier's fee goes: any account, not necessarily a `Wallet`.
    function getWallet() external view returns (address);

    /// @notice Whether fees can be paid in `token`; the zero address means the native coin.
    function isSupportedToken(address token) external view returns (bool);

    /// @notice The fee for one proof, in base units of `token`.
    /// @dev Read at delivery. Warning: a fee above what the protocol fee leaves blocks the delivery.
    function fee(address token) external view returns (uint256);

    /// @notice Starts the verification of one delivery's proof.
    /// @dev An implementation should accept only the Coordinator as its caller.
    function requestProofVerification(uint32 subscriptionId, uint32 interval, address node, bytes calldata proof)
        external;

    /// @notice Receives fees in the native coin.
    receive() external payable;
}
