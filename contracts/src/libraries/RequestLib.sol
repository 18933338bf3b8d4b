// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibBytes} from "solady/utils/LibBytes.sol";
import {ModelId} from "../types/ModelId.sol";
import {Request, Terms} from "../types/Usage.sol";

/// @title Packs a request and its payload into one piece of data, to be kept as contract code.
/// @dev Three words and 14 bytes stand in front of the payload: model id | requester, request price | prompt price, completion
///      price, both caps, training ppm, one byte of nothing | validator ppm, deadline, intervals, redundancy. The consumer
///      and the subscription id are left out: whoever finds the data knows them.
library RequestLib {
    /// @dev Bytes in front of the payload.
    uint256 internal constant FACTS_BYTES = 110;

    function pack(Request memory request, bytes calldata payload) internal pure returns (bytes memory) {
        Terms memory terms = request.terms;
        uint256 payer = uint256(uint160(request.requester)) << 96 | terms.requestPrice;
        uint256 prices = uint256(terms.promptPrice) << 80 | terms.completionPrice;
        prices = prices << 32 | terms.maxPromptTokens;
        prices = (prices << 32 | terms.maxCompletionTokens) << 32 | uint256(terms.trainingPpm) << 8;
        uint256 schedule = uint256(terms.validatorPpm) << 40 | request.deadline;
        schedule = (schedule << 32 | request.intervals) << 16 | request.redundancy;
        return abi.encodePacked(request.modelId, payer, prices, uint112(schedule), payload);
    }

    /// @notice The request in front of a payload.
    function unpack(bytes memory data, address consumer, uint32 subscriptionId)
        internal
        pure
        returns (Request memory)
    {
        uint256 payer = uint256(LibBytes.load(data, 32));
        uint256 prices = uint256(LibBytes.load(data, 64));
        uint256 schedule = uint256(LibBytes.load(data, 96)) >> 144;
        return Request({
            consumer: consumer,
            subscriptionId: subscriptionId,
            modelId: ModelId.wrap(LibBytes.load(data, 0)),
            requester: address(uint160(payer >> 96)),
            terms: Terms({
                requestPrice: uint96(payer),
                promptPrice: uint80(prices >> 176),
                completionPrice: uint80(prices >> 96),
                maxPromptTokens: uint32(prices >> 64),
                maxCompletionTokens: uint32(prices >> 32),
                trainingPpm: uint24(prices >> 8),
                validatorPpm: uint24(schedule >> 88)
            }),
            deadline: uint40(schedule >> 48),
            intervals: uint32(schedule >> 16),
            redundancy: uint16(schedule)
        });
    }

    function payloadOf(bytes memory data) internal pure returns (bytes memory) {
        return LibBytes.slice(data, FACTS_BYTES);
    }

    /// @notice keccak256 of the payload, without a copy of it.
    function payloadHash(bytes memory data) internal pure returns (bytes32 hash) {
        assembly ("memory-safe") {
            hash := keccak256(add(data, add(32, FACTS_BYTES)), sub(mload(data), FACTS_BYTES))
        }
    }

    function payloadBytes(bytes memory data) internal pure returns (uint256) {
        return data.length - FACTS_BYTES;
    }
}
