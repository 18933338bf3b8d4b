// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Order, Task, TaskEnvelope, UsageReceipt} from "../types/Usage.sol";

/// @title EIP-712 hashes of usage receipts, orders and task envelopes.
library ReceiptLib {
    /// @dev All fields are static words, so the struct hash is that of the type hash and the encoded struct.
    bytes32 internal constant USAGE_RECEIPT_TYPEHASH = keccak256(
        "UsageReceipt(bytes32 requestId,bytes32 modelId,address requester,address node,uint32 interval,bytes32 inputHash,bytes32 outputHash,uint32 promptTokens,uint32 completionTokens)"
    );

    /// @dev Stands in front of every encoded envelope: a reader that knows another version does not take it for its own.
    bytes32 internal constant TASK_ENVELOPE_TYPEHASH = keccak256(
        "TaskEnvelope(uint256 chainId,address consumer,uint32 subscriptionId,uint32 interval,bytes32 requestId,address requester,address node,bytes32 modelId,uint32 maxPromptTokens,uint32 maxCompletionTokens,bytes payload)"
    );

    bytes32 internal constant TERMS_TYPEHASH = keccak256(
        "Terms(uint96 requestPrice,uint80 promptPrice,uint80 completionPrice,uint32 maxPromptTokens,uint32 maxCompletionTokens,uint24 trainingPpm,uint24 validatorPpm)"
    );

    bytes32 internal constant ORDER_TYPEHASH = keccak256(
        "Order(address consumer,bytes32 modelId,address requester,Terms terms,bytes32 payloadHash,uint32 payloadBytes,uint40 deadline,bytes32 salt)Terms(uint96 requestPrice,uint80 promptPrice,uint80 completionPrice,uint32 maxPromptTokens,uint32 maxCompletionTokens,uint24 trainingPpm,uint24 validatorPpm)"
    );

    /// @notice Length of abi.encode(UsageReceipt): nine words.
    uint256 internal constant ENCODED_RECEIPT_BYTES = 288;

    /// @notice Length of abi.encode(Order): fourteen words.
    uint256 internal constant ENCODED_ORDER_BYTES = 448;

    /// @dev The receipt is hashed as it stands in the call data: nine words behind the type hash.
    function structHash(UsageReceipt calldata receipt) internal pure returns (bytes32 hash) {
        bytes32 typeHash = USAGE_RECEIPT_TYPEHASH;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typeHash)
            calldatacopy(add(free, 32), receipt, ENCODED_RECEIPT_BYTES)
            hash := keccak256(free, add(ENCODED_RECEIPT_BYTES, 32))
        }
    }

    function structHash(Order calldata order) internal pure returns (bytes32) {
        return keccak256(
            abi.encode(
                ORDER_TYPEHASH,
                order.consumer,
                order.modelId,
                order.requester,
                keccak256(abi.encode(TERMS_TYPEHASH, order.terms)),
                order.payloadHash,
                order.payloadBytes,
                order.deadline,
                order.salt
            )
        );
    }

    /// @notice Hash of the task envelope that `task` stands for, on the chain of this block.
    function envelopeHash(Task memory task) internal view returns (bytes32) {
        return keccak256(abi.encode(TASK_ENVELOPE_TYPEHASH, block.chainid, task));
    }

    /// @notice The bytes that a node hands to its container.
    function encode(TaskEnvelope memory envelope) internal pure returns (bytes memory) {
        return abi.encode(TASK_ENVELOPE_TYPEHASH, envelope);
    }
}
