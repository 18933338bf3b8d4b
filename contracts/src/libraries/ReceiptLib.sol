// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {TaskEnvelope, UsageReceipt} from "../types/Usage.sol";

/// @title EIP-712 hashes of usage receipts and task envelopes.
library ReceiptLib {
    /// @dev All fields are static words, so the struct hash is that of the type hash and the encoded struct.
    bytes32 internal constant USAGE_RECEIPT_TYPEHASH = keccak256(
        "UsageReceipt(bytes32 requestId,bytes32 modelId,address requester,address node,uint32 interval,bytes32 inputHash,bytes32 outputHash,uint32 promptTokens,uint32 completionTokens)"
    );

    /// @dev Stands in front of every encoded envelope: a reader that knows another version does not take it for its own.
    bytes32 internal constant TASK_ENVELOPE_TYPEHASH = keccak256(
        "TaskEnvelope(uint256 chainId,address consumer,uint32 subscriptionId,uint32 interval,bytes32 requestId,address requester,address node,bytes32 modelId,uint32 maxPromptTokens,uint32 maxCompletionTokens,bytes payload)"
    );

    /// @notice Length of abi.encode(UsageReceipt): nine words.
    uint256 internal constant ENCODED_RECEIPT_BYTES = 288;

    function structHash(UsageReceipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(USAGE_RECEIPT_TYPEHASH, receipt));
    }

    function structHash(TaskEnvelope memory envelope) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                TASK_ENVELOPE_TYPEHASH,
                envelope.chainId,
                envelope.consumer,
                envelope.subscriptionId,
                envelope.interval,
                envelope.requestId,
                envelope.requester,
                envelope.node,
                envelope.modelId,
                envelope.maxPromptTokens,
                envelope.maxCompletionTokens,
                keccak256(envelope.payload)
            )
        );
    }

    /// @notice The bytes that a node hands to its container.
    function encode(TaskEnvelope memory envelope) internal pure returns (bytes memory) {
        return abi.encode(TASK_ENVELOPE_TYPEHASH, envelope);
    }
}
