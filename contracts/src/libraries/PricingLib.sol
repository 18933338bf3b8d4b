// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Terms} from "../types/Usage.sol";

/// @title What usage costs.
library PricingLib {
    /// @dev Prices are per this many tokens.
    uint256 internal constant TOKENS_PER_PRICE_UNIT = 1_000_000;

    /// @notice requestPrice + (promptTokens * promptPrice + completionTokens * completionPrice) / 1e6, rounded up.
    /// @dev Cannot overflow: 2^96 + 2 * 2^32 * 2^80 / 1e6 is below 2^97.
    function feeUp(Terms memory terms, uint256 promptTokens, uint256 completionTokens) internal pure returns (uint256) {
        unchecked {
            uint256 metered = promptTokens * terms.promptPrice + completionTokens * terms.completionPrice;
            return terms.requestPrice + (metered + TOKENS_PER_PRICE_UNIT - 1) / TOKENS_PER_PRICE_UNIT;
        }
    }

    /// @notice Fee of an answer that uses all it may.
    function highestFee(Terms memory terms) internal pure returns (uint256) {
        return feeUp(terms, terms.maxPromptTokens, terms.maxCompletionTokens);
    }
}
