// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Registry} from "./Registry.sol";
import {Coordinated} from "./utility/Coordinated.sol";

/// @notice One stored answer.
struct InboxItem {
    /// @dev When it was written, in unix seconds.
    uint32 timestamp;
    /// @dev The subscription it answers; 0 when nobody asked.
    uint32 subscriptionId;
    /// @dev The interval it answers; 0 when nobody asked.
    uint32 interval;
    bytes input;
    bytes output;
    bytes proof;
}

/// @title Keeps the answers to lazy subscriptions, and whatever anyone writes under the own address.
/// @dev Warning: a reader who needs an answer that was asked for must check that `subscriptionId` is not 0.
contract Inbox is Coordinated {
    /// @notice Container id -> node -> items in the order of writing.
    mapping(bytes32 => mapping(address => InboxItem[])) public items;

    /// @notice `node` wrote an item; `index` is its place among the node's items for this container id.
    event NewInboxItem(bytes32 indexed containerId, address indexed node, uint256 index);

    constructor(Registry registry) Coordinated(registry) {}

    /// @notice Stores an item that nobody asked for, under the caller's address.
    /// @return its place among the caller's items for this container id
    function write(bytes32 containerId, bytes calldata input, bytes calldata output, bytes calldata proof)
        external
        returns (uint256)
    {
        return _write(containerId, msg.sender, 0, 0, input, output, proof);
    }

    /// @notice Stores the answer of `node` to one interval of a subscription.
    /// @return its place among the node's items for this container id
    function writeViaCoordinator(
        bytes32 containerId,
        address node,
        uint32 subscriptionId,
        uint32 interval,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) external onlyCoordinator returns (uint256) {
        return _write(containerId, node, subscriptionId, interval, input, output, proof);
    }

    /// @notice One item as a struct. An index out of range panics with 0x32.
    function read(bytes32 containerId, address node, uint256 index) external view returns (InboxItem memory) {
        return items[containerId][node][index];
    }

    function _write(
        bytes32 containerId,
        address node,
        uint32 subscriptionId,
        uint32 interval,
        bytes calldata input,
        bytes calldata output,
        bytes calldata proof
    ) private returns (uint256 index) {
        InboxItem[] storage written = items[containerId][node];
        index = written.length;
        written.push(
            InboxItem({
                timestamp: uint32(block.timestamp),
                subscriptionId: subscriptionId,
                interval: interval,
                input: input,
                output: output,
                proof: proof
            })
        );
        emit NewInboxItem(containerId, node, index);
    }
}
