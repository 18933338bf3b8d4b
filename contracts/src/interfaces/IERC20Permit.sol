// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

/// @title EIP-2612, as far as it is used here.
interface IERC20Permit {
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external;
}
