// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {Registry} from "../Registry.sol";
import {Coordinator, Subscription} from "../Coordinator.sol";

/// @title Reads many subscriptions or counts of answers in one call.
contract Reader {
    Coordinator private immutable COORDINATOR;

    constructor(Registry registry) {
        COORDINATOR = Coordinator(registry.COORDINATOR());
    }

    /// @notice The subscriptions from `startId` up to, but not including, `endId`; unknown ids give structs of zeros.
    /// @dev `endId < startId` panics with 0x11.
    function readSubscriptionBatch(uint32 startId, uint32 endId) external view returns (Subscription[] memory) {
        uint32 size = endId - startId;
        Subscription[] memory subscriptions = new Subscription[](size);
        for (uint32 i = 0; i < size; i++) {
            subscriptions[i] = COORDINATOR.getSubscription(startId + i);
        }
        return subscriptions;
    }

    /// @notice How many nodes have answered `intervals[i]` of subscription `ids[i]`, for each id.
    /// @dev Fewer intervals than ids panic with 0x32; surplus intervals are ignored.
    function readRedundancyCountBatch(uint32[] calldata ids, uint32[] calldata intervals)
        external
        view
        returns (uint16[] memory)
    {
        uint16[] memory counts = new uint16[](ids.length);
        for (uint256 i = 0; i < ids.length; i++) {
            counts[i] = COORDINATOR.redundancyCount(keccak256(abi.encode(ids[i], intervals[i])));
        }
        return counts;
    }
}
