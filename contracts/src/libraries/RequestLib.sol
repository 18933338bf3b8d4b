// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibBytes} from "solady/utils/LibBytes.sol";
import {ModelId} from "../types/ModelId.sol";
import {Request, Terms} from "../types/Usage.sol";

/// @title Packs a request and its payload into one piece of data, to be kept as contract code.
/// @dev The consumer and the subscription id are left out: whoever keeps the data knows them.
library RequestLib {
    /// @dev Bytes in front of the payload: 32 model id, 20 requester, 12 + 10 + 10 prices, 4 + 4 caps, 3 + 3 split,
    ///      5 deadline, 4 intervals, 2 redundancy.
    uint256 internal constant FACTS_BYTES = 109;

    function pack(Request memory request, bytes memory payload) internal pure returns (bytes memory) {
        Terms memory terms = request.terms;
        return bytes.concat(
            abi.encodePacked(
                request.modelId,
                request.requester,
                terms.requestPrice,
                terms.promptPrice,
                terms.completionPrice,
                terms.maxPromptTokens,
                terms.maxCompletionTokens
            ),
            abi.encodePacked(
                terms.trainingPpm, terms.validatorPpm, request.deadline, request.intervals, request.redundancy, payload
            )
        );
    }

    function unpack(bytes memory data, address consumer, uint32 subscriptionId)
        internal
        pure
        returns (Request memory request, bytes memory payload)
    {
        request.consumer = consumer;
        request.subscriptionId = subscriptionId;
        request.modelId = ModelId.wrap(LibBytes.load(data, 0));
        request.requester = address(uint160(_read(data, 32, 20)));
        Terms memory terms = request.terms;
        terms.requestPrice = uint96(_read(data, 52, 12));
        terms.promptPrice = uint80(_read(data, 64, 10));
        terms.completionPrice = uint80(_read(data, 74, 10));
        terms.maxPromptTokens = uint32(_read(data, 84, 4));
        terms.maxCompletionTokens = uint32(_read(data, 88, 4));
        terms.trainingPpm = uint24(_read(data, 92, 3));
        terms.validatorPpm = uint24(_read(data, 95, 3));
        request.deadline = uint40(_read(data, 98, 5));
        request.intervals = uint32(_read(data, 103, 4));
        request.redundancy = uint16(_read(data, 107, 2));
        payload = LibBytes.slice(data, FACTS_BYTES);
    }

    function _read(bytes memory data, uint256 offset, uint256 size) private pure returns (uint256) {
        return uint256(LibBytes.load(data, offset)) >> (256 - 8 * size);
    }
}
