// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "./ModelId.sol";

/// @notice What a model costs and how its fees are split. Two storage slots.
/// @param requestPrice base units of the payment token per delivered answer
/// @param promptPrice base units per million prompt tokens
/// @param completionPrice base units per million completion tokens
/// @param maxPromptTokens most prompt tokens that one answer may be charged for
/// @param maxCompletionTokens most completion tokens that one answer may be charged for
/// @param trainingPpm part of every fee for training nodes, in parts per million
/// @param validatorPpm part of every fee for validators; the host gets the rest
/// @dev Rounding: see RewardLib.splitDown.
struct Terms {
    uint96 requestPrice;
    uint80 promptPrice;
    uint80 completionPrice;
    uint32 maxPromptTokens;
    uint32 maxCompletionTokens;
    uint24 trainingPpm;
    uint24 validatorPpm;
}

/// @notice A paid request. Its terms are those of the moment it was made; the meter keeps it as contract code.
/// @param consumer contract that owns the Infernet subscription
/// @param subscriptionId Infernet subscription that carries the request
/// @param modelId model that has to answer
/// @param requester who pays, and who gets unused escrow back
/// @param terms price, caps and split, as they were when the request was made
/// @param deadline unix seconds; later answers are refused, unused escrow can be taken back
/// @param intervals how many intervals are to be answered; 1 for a one-off request
/// @param redundancy how many nodes answer each interval
struct Request {
    address consumer;
    uint32 subscriptionId;
    ModelId modelId;
    address requester;
    Terms terms;
    uint40 deadline;
    uint32 intervals;
    uint16 redundancy;
}

/// @notice One answer that a requester pays from its balance, signed by the requester (EIP-712). It is brought by the
///         delivery itself, of a subscription that the consumer's delegate signer signed: nothing is sent beforehand.
/// @param consumer contract that owns the delegated subscription
/// @param modelId model that has to answer
/// @param requester who signs and pays
/// @param terms must be those of the model when the answer is delivered
/// @param payloadHash keccak256 of the payload, which itself stays off chain
/// @param payloadBytes length of the payload: it bounds what may be charged as prompt tokens
/// @param deadline unix seconds; later answers are refused
/// @param salt any value that tells orders of otherwise equal content apart
struct Order {
    address consumer;
    ModelId modelId;
    address requester;
    Terms terms;
    bytes32 payloadHash;
    uint32 payloadBytes;
    uint40 deadline;
    bytes32 salt;
}

/// @notice What a request used, signed by the model's receipt signer (EIP-712).
/// @param requestId request or order that was answered
/// @param modelId model that answered
/// @param requester who asked
/// @param node Infernet node that delivers; no other node can use the receipt
/// @param interval Infernet interval that was answered
/// @param inputHash EIP-712 struct hash of the task envelope that the node was given
/// @param outputHash keccak256 of the answer's bytes
/// @param promptTokens prompt tokens used
/// @param completionTokens completion tokens used
struct UsageReceipt {
    bytes32 requestId;
    ModelId modelId;
    address requester;
    address node;
    uint32 interval;
    bytes32 inputHash;
    bytes32 outputHash;
    uint32 promptTokens;
    uint32 completionTokens;
}

/// @notice What a node is asked to compute: the request's origin and its payload.
/// @param chainId chain of the consumer
/// @param consumer contract that owns the subscription
/// @param subscriptionId Infernet subscription; 0 for an order, whose subscription does not exist before its answer
/// @param interval Infernet interval to be answered
/// @param requestId request, or EIP-712 digest of the order
/// @param requester who asked
/// @param node Infernet node that asked for the inputs
/// @param modelId model that has to answer
/// @param maxPromptTokens most prompt tokens that will be paid
/// @param maxCompletionTokens most completion tokens that will be paid
/// @param payload OpenAI chat-completion body as JSON, or plain prompt text, UTF-8
/// @dev `Task` has the same fields, but for the chain id and with the payload hashed: keep the order of both.
struct TaskEnvelope {
    uint256 chainId;
    address consumer;
    uint32 subscriptionId;
    uint32 interval;
    bytes32 requestId;
    address requester;
    address node;
    ModelId modelId;
    uint32 maxPromptTokens;
    uint32 maxCompletionTokens;
    bytes payload;
}

/// @notice A task envelope as it is hashed: without chain id, which is that of the block, and with the payload's hash.
struct Task {
    address consumer;
    uint32 subscriptionId;
    uint32 interval;
    bytes32 requestId;
    address requester;
    address node;
    ModelId modelId;
    uint32 maxPromptTokens;
    uint32 maxCompletionTokens;
    bytes32 payloadHash;
}
