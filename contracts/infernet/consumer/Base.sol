// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Registry} from "../Registry.sol";
import {Inbox} from "../Inbox.sol";
import {Coordinator} from "../Coordinator.sol";

/// @title What every contract that asks for compute has in common: it takes answers from the Coordinator alone.
abstract contract BaseConsumer {
    /// @dev The Coordinator of the Registry given at construction.
    Coordinator internal immutable COORDINATOR;
    /// @dev Where lazy answers are read.
    Inbox internal immutable INBOX;

    /// @notice Thrown when someone other than the Coordinator delivers.
    error NotCoordinator();

    /// @dev Warning: with the Registry of another deployment, every delivery fails.
    constructor(address registry) {
        COORDINATOR = Coordinator(Registry(registry).COORDINATOR());
        INBOX = Inbox(Registry(registry).INBOX());
    }

    /// @notice Takes one answer.
    /// @dev Warning: a revert here fails the whole delivery, payment and counters included.
    /// @param subscriptionId the subscription that is answered
    /// @param interval the interval that is answered, from 1
    /// @param redundancy how many answers this interval has, this one included
    /// @param node the account that delivered
    /// @param input what the container was given; empty when lazy
    /// @param output what the container answered; empty when lazy
    /// @param proof the container's proof; empty when lazy
    /// @param containerId the subscription's container id when lazy, else zero; this tells the two apart, `index` cannot
    /// @param index the place in the Inbox when lazy, else 0
    function rawReceiveCompute(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof,
        bytes32 containerId,
        uint256 index
    ) external {
        if (msg.sender != address(COORDINATOR)) revert NotCoordinator();
        _receiveCompute(subscriptionId, interval, redundancy, node, input, output, proof, containerId, index);
    }

    /// @notice What the first container is given for one interval; nodes ask just before they compute.
    /// @dev Empty unless overridden. Arguments: subscription id, interval, unix seconds, account of the node that asks.
    function getContainerInputs(uint32, uint32, uint32, address) external view virtual returns (bytes memory) {
        return "";
    }

    /// @dev What the heir does with an answer; the arguments are those of `rawReceiveCompute`.
    function _receiveCompute(
        uint32 subscriptionId,
        uint32 interval,
        uint16 redundancy,
        address node,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof,
        bytes32 containerId,
        uint256 index
    ) internal virtual {}
}
