// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Ownable} from "solady/auth/Ownable.sol";

/// @title The protocol fee and who receives it.
/// @dev The owner is the recipient: transferring ownership moves the fees, renouncing it sends them to nobody.
contract Fee is Ownable {
    /// @notice The fee in basis points, charged once to the consumer's side and once to the node's.
    /// @dev Warning: not bounded. Above 5000 every paid delivery panics.
    uint16 public FEE;

    constructor(address feeRecipient, uint16 fee) {
        _initializeOwner(feeRecipient);
        FEE = fee;
    }

    /// @notice Sets the fee, in basis points. Counts at once, for requests already made too.
    function updateFee(uint16 newFee) external onlyOwner {
        FEE = newFee;
    }

    /// @notice Who receives the protocol fee.
    function FEE_RECIPIENT() external view returns (address) {
        return owner();
    }
}
