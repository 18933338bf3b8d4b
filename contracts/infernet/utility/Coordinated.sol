// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Registry} from "../Registry.sol";

/// @title Restricts functions to the Coordinator of one Registry.
abstract contract Coordinated {
    /// @dev Private, so that an heir may have a getter of the same name.
    address private immutable COORDINATOR;

    /// @notice Thrown when someone other than the Coordinator calls.
    error NotCoordinator();

    constructor(Registry registry) {
        COORDINATOR = registry.COORDINATOR();
    }

    modifier onlyCoordinator() {
        if (msg.sender != COORDINATOR) revert NotCoordinator();
        _;
    }
}
