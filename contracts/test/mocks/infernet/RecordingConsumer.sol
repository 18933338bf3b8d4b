// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SubscriptionConsumer} from "infernet-sdk/consumer/Subscription.sol";
import {Delegator} from "infernet-sdk/pattern/Delegator.sol";

/// @title Keeps the last answer, and can call somewhere while it is being called back.
contract RecordingConsumer is SubscriptionConsumer, Delegator {
    struct Answer {
        uint32 subscriptionId;
        uint32 interval;
        uint16 redundancy;
        address node;
        bytes input;
        bytes output;
        bytes proof;
        bytes32 containerId;
        uint256 index;
    }

    uint256 public answers;
    Answer internal last;
    address internal reactionTarget;
    bytes internal reaction;

    constructor(address registry, address signer) SubscriptionConsumer(registry) Delegator(signer) {}

    function create(
        string memory containerId,
        uint32 frequency,
        uint32 period,
        uint16 redundancy,
        bool lazy,
        address paymentToken,
        uint256 paymentAmount,
        address wallet,
        address verifier
    ) external returns (uint32) {
        return _createComputeSubscription(
            containerId, frequency, period, redundancy, lazy, paymentToken, paymentAmount, wallet, verifier
        );
    }

    function cancel(uint32 subscriptionId) external {
        _cancelComputeSubscription(subscriptionId);
    }

    function setSigner(address signer) external {
        _updateSigner(signer);
    }

    /// @dev From now on every callback calls `target`, and reverts when that reverts.
    function reactWith(address target, bytes calldata data) external {
        reactionTarget = target;
        reaction = data;
    }

    function lastAnswer() external view returns (Answer memory) {
        return last;
    }

    function places() external view returns (address, address) {
        return (address(COORDINATOR), address(INBOX));
    }

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
    ) internal override {
        answers++;
        last = Answer(subscriptionId, interval, redundancy, node, input, output, proof, containerId, index);
        if (reactionTarget == address(0)) return;
        (bool success, bytes memory reason) = reactionTarget.call(reaction);
        if (success) return;
        assembly {
            revert(add(reason, 0x20), mload(reason))
        }
    }
}
