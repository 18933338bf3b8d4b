// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {CallbackConsumer} from "infernet-sdk/consumer/Callback.sol";
import {SubscriptionConsumer} from "infernet-sdk/consumer/Subscription.sol";
import {Allowlist} from "infernet-sdk/pattern/Allowlist.sol";

/// @title Asks once, for anything.
contract AskingCallbackConsumer is CallbackConsumer {
    bytes public lastOutput;

    constructor(address registry) CallbackConsumer(registry) {}

    function ask(
        string memory containerId,
        bytes memory inputs,
        uint16 redundancy,
        address paymentToken,
        uint256 paymentAmount,
        address wallet,
        address verifier
    ) external returns (uint32) {
        return _requestCompute(containerId, inputs, redundancy, paymentToken, paymentAmount, wallet, verifier);
    }

    function _receiveCompute(
        uint32,
        uint32,
        uint16,
        address,
        bytes calldata,
        bytes calldata output,
        bytes calldata,
        bytes32,
        uint256
    ) internal override {
        lastOutput = output;
    }
}

/// @title Takes answers from listed nodes only.
contract ListingConsumer is SubscriptionConsumer, Allowlist {
    uint256 public answers;

    constructor(address registry, address[] memory allowed) SubscriptionConsumer(registry) Allowlist(allowed) {}

    function ask() external returns (uint32) {
        return _createComputeSubscription("some-llm", 1, 0, 9, false, address(0), 0, address(0), address(0));
    }

    function update(address[] memory nodes, bool[] memory status) external {
        _updateAllowlist(nodes, status);
    }

    function _receiveCompute(
        uint32,
        uint32,
        uint16,
        address node,
        bytes calldata,
        bytes calldata,
        bytes calldata,
        bytes32,
        uint256
    ) internal override onlyAllowedNode(node) {
        answers++;
    }
}
