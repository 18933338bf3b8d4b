// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

import {SubscriptionConsumer} from "infernet-sdk/consumer/Subscription.sol";

/// @dev A consumer for tests of nodes: asks for anything, writes down every answer, and refuses or breaks on demand.
contract NodeTestConsumer is SubscriptionConsumer {
    struct Answer {
        uint32 subscriptionId;
        uint32 interval;
        address node;
        bytes output;
    }

    /// @dev All answers in the order they came.
    Answer[] private answers;
    /// @dev Subscription id -> what containers are given.
    mapping(uint32 => bytes) private inputsOf;
    bool private refuses;
    bool private hasBrokenInputs;

    error AnswerRefused(uint32 subscriptionId, uint32 interval);
    error InputsBroken();

    constructor(address registry) SubscriptionConsumer(registry) {}

    /// @dev `period` 0 is a one-off that can be answered at once.
    function ask(string calldata containerId, uint32 frequency, uint32 period, uint16 redundancy, bytes calldata inputs)
        external
        returns (uint32 subscriptionId)
    {
        subscriptionId = _createComputeSubscription(
            containerId, frequency, period, redundancy, false, address(0), 0, address(0), address(0)
        );
        inputsOf[subscriptionId] = inputs;
    }

    /// @dev Asks `count` times for one-off work, in one block.
    function askMany(string calldata containerId, uint256 count) external {
        for (uint256 i = 0; i < count; ++i) {
            _createComputeSubscription(containerId, 1, 0, 1, false, address(0), 0, address(0), address(0));
        }
    }

    /// @dev Offers a payment without having a wallet.
    function askPaid(string calldata containerId, uint256 amount) external {
        _createComputeSubscription(containerId, 1, 0, 1, false, address(0), amount, address(0), address(0));
    }

    function cancel(uint32 subscriptionId) external {
        _cancelComputeSubscription(subscriptionId);
    }

    function setRefuses(bool value) external {
        refuses = value;
    }

    function setBrokenInputs(bool value) external {
        hasBrokenInputs = value;
    }

    function answerCount() external view returns (uint256) {
        return answers.length;
    }

    function answerAt(uint256 position) external view returns (Answer memory) {
        return answers[position];
    }

    function getContainerInputs(uint32 subscriptionId, uint32 interval, uint32, address)
        external
        view
        override
        returns (bytes memory)
    {
        if (hasBrokenInputs) revert InputsBroken();
        return abi.encodePacked(inputsOf[subscriptionId], interval);
    }

    function _receiveCompute(
        uint32 subscriptionId,
        uint32 interval,
        uint16,
        address node,
        bytes calldata,
        bytes calldata output,
        bytes calldata,
        bytes32,
        uint256
    ) internal override {
        if (refuses) revert AnswerRefused(subscriptionId, interval);
        answers.push(Answer(subscriptionId, interval, node, output));
    }
}
