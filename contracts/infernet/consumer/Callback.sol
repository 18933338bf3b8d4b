// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {BaseConsumer} from "./Base.sol";

/// @title Asks for compute once, and takes the answer in the same contract.
abstract contract CallbackConsumer is BaseConsumer {
    /// @dev Subscription id -> what the first container is given.
    mapping(uint32 => bytes) internal subscriptionInputs;

    constructor(address registry) BaseConsumer(registry) {}

    /// @inheritdoc BaseConsumer
    function getContainerInputs(uint32 subscriptionId, uint32, uint32, address)
        external
        view
        override
        returns (bytes memory)
    {
        return subscriptionInputs[subscriptionId];
    }

    /// @dev Creates an eager subscription of one interval that may be answered at once, and keeps its inputs.
    /// @param containerId container ids in order of execution, joined with `,`
    /// @param inputs what the first container is given
    /// @param redundancy how many nodes may answer
    /// @param paymentToken an ERC-20, or zero for the native coin
    /// @param paymentAmount base units for each answer; 0 for unpaid work
    /// @param wallet this contract's `Wallet`, where it is an approved spender; zero for unpaid work
    /// @param verifier an `IVerifier`, or zero for no proof
    /// @return the subscription's id
    function _requestCompute(
        string memory containerId,
        bytes memory inputs,
        uint16 redundancy,
        address paymentToken,
        uint256 paymentAmount,
        address wallet,
        address verifier
    ) internal returns (uint32) {
        uint32 subscriptionId = COORDINATOR.createSubscription({
            containerId: containerId,
            frequency: 1,
            period: 0,
            redundancy: redundancy,
            lazy: false,
            paymentToken: paymentToken,
            paymentAmount: paymentAmount,
            wallet: wallet,
            verifier: verifier
        });
        subscriptionInputs[subscriptionId] = inputs;
        return subscriptionId;
    }
}
