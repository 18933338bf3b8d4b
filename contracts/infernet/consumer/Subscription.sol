// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {BaseConsumer} from "./Base.sol";

/// @title Asks for compute at intervals, and takes the answers in the same contract or from the Inbox.
abstract contract SubscriptionConsumer is BaseConsumer {
    constructor(address registry) BaseConsumer(registry) {}

    /// @dev Creates a subscription owned by this contract.
    /// @param containerId container ids in order of execution, joined with `,`
    /// @param frequency the number of intervals
    /// @param period seconds in an interval, and before the first one; 0 for one interval that starts at once
    /// @param redundancy how many nodes may answer each interval
    /// @param lazy whether answers go to the Inbox
    /// @param paymentToken an ERC-20, or zero for the native coin
    /// @param paymentAmount base units for each answer; 0 for unpaid work
    /// @param wallet this contract's `Wallet`, where it is an approved spender; zero for unpaid work
    /// @param verifier an `IVerifier`, or zero for no proof
    /// @return the subscription's id
    function _createComputeSubscription(
        string memory containerId,
        uint32 frequency,
        uint32 period,
        uint16 redundancy,
        bool lazy,
        address paymentToken,
        uint256 paymentAmount,
        address wallet,
        address verifier
    ) internal returns (uint32) {
        return COORDINATOR.createSubscription(
            containerId, frequency, period, redundancy, lazy, paymentToken, paymentAmount, wallet, verifier
        );
    }

    /// @dev Cancels a subscription of this contract; others revert with `NotSubscriptionOwner`.
    function _cancelComputeSubscription(uint32 subscriptionId) internal {
        COORDINATOR.cancelSubscription(subscriptionId);
    }
}
