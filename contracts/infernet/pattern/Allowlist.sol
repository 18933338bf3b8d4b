// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title Restricts which nodes may answer a consumer.
abstract contract Allowlist {
    mapping(address => bool) private allowedNodes;

    /// @notice Thrown when a node that is not on the list answers.
    error NodeNotAllowed();

    constructor(address[] memory initialAllowed) {
        for (uint256 i = 0; i < initialAllowed.length; i++) {
            allowedNodes[initialAllowed[i]] = true;
        }
    }

    /// @dev `node` is the account that called the Coordinator, as given to `_receiveCompute`.
    modifier onlyAllowedNode(address node) {
        if (!allowedNodes[node]) revert NodeNotAllowed();
        _;
    }

    /// @notice Whether `node` may answer.
    function isAllowedNode(address node) external view returns (bool) {
        return allowedNodes[node];
    }

    /// @dev Sets the status of each node to the status at the same index.
    /// Warning: lengths are not compared. Surplus statuses are ignored, missing ones panic with 0x32.
    function _updateAllowlist(address[] memory nodes, bool[] memory status) internal {
        for (uint256 i = 0; i < nodes.length; i++) {
            allowedNodes[nodes[i]] = status[i];
        }
    }
}
