// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {PricingLib} from "../../../src/libraries/PricingLib.sol";
import {Terms} from "../../../src/types/Usage.sol";
import {Test} from "../../utils/Test.sol";

/// @title What an answer costs: prices are per million tokens, and the sum is rounded up once.
contract PricingLibTest is Test {
    function test_feeUp_roundsTheLeastUseUpAndAWholeUnitNot() public pure {
        Terms memory terms;
        (terms.requestPrice, terms.promptPrice, terms.completionPrice) = (5, 1, 999_999);

        assertEq(PricingLib.feeUp(terms, 0, 0), 5, "nothing used");
        assertEq(PricingLib.feeUp(terms, 1, 0), 6, "a millionth is a whole unit");
        assertEq(PricingLib.feeUp(terms, 1, 1), 6, "a million millionths, too");
        assertEq(PricingLib.feeUp(terms, 2, 1), 7, "and one more begins the next");
    }

    function testFuzz_feeUp_isTheCeiling(uint80 prompt, uint80 completion, uint32 promptTokens, uint32 completionTokens)
        public
        pure
    {
        Terms memory terms;
        (terms.promptPrice, terms.completionPrice) = (prompt, completion);
        uint256 metered = uint256(prompt) * promptTokens + uint256(completion) * completionTokens;

        uint256 fee = PricingLib.feeUp(terms, promptTokens, completionTokens);

        assertTrue(fee * 1_000_000 >= metered, "not less");
        assertTrue(fee == 0 || (fee - 1) * 1_000_000 < metered, "not a unit more");
    }
}
