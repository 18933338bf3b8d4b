// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SubscriptionConsumer} from "infernet-sdk/consumer/Subscription.sol";

/// @title Asks and forgets the answer: what remains is the protocol's own gas.
contract TrivialConsumer is SubscriptionConsumer {
    constructor(address registry) SubscriptionConsumer(registry) {}

    function ask(string calldata containerId) external returns (uint32) {
        return _createComputeSubscription(containerId, 1, 0, 1, false, address(0), 0, address(0), address(0));
    }
}
