// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {OutputLib} from "../../src/libraries/OutputLib.sol";
import {Order, UsageReceipt} from "../../src/types/Usage.sol";

/// @title OutputLib as it is called, beside what Solidity itself makes of the same bytes.
contract OutputReader {
    function decode(bytes calldata output)
        external
        pure
        returns (bool ok, bytes memory answer, UsageReceipt memory receipt)
    {
        UsageReceipt calldata found;
        (ok, answer, found) = OutputLib.decode(output);
        if (ok) receipt = found;
    }

    function answerOf(bytes calldata output) external pure returns (bytes memory) {
        return OutputLib.answerOf(output);
    }

    function decodeProof(bytes calldata proof)
        external
        pure
        returns (bool ok, UsageReceipt memory receipt, bytes memory signature)
    {
        UsageReceipt calldata found;
        (ok, found, signature) = OutputLib.decodeProof(proof);
        if (ok) receipt = found;
    }

    function decodeOrder(bytes calldata proof)
        external
        pure
        returns (bool ok, Order memory order, bytes memory signature)
    {
        Order calldata found;
        (ok, found, signature) = OutputLib.decodeOrder(proof);
        if (ok) order = found;
    }

    function signatureOf(bytes calldata proof, UsageReceipt calldata receipt) external pure returns (bytes memory) {
        return OutputLib.signatureOf(proof, receipt);
    }

    /// @dev The decoder of the language, which reverts where OutputLib answers false.
    function strictOutput(bytes calldata output)
        external
        pure
        returns (bytes memory answer, UsageReceipt memory receipt)
    {
        bytes memory encodedReceipt;
        (answer, encodedReceipt) = abi.decode(output, (bytes, bytes));
        require(encodedReceipt.length == 9 * 32, "another length");
        receipt = abi.decode(encodedReceipt, (UsageReceipt));
    }

    function strictProof(bytes calldata proof) external pure returns (UsageReceipt memory, bytes memory) {
        return abi.decode(proof, (UsageReceipt, bytes));
    }

    /// @dev The receipt and its signature are left alone: whoever reads an order has not asked for them.
    function strictOrder(bytes calldata proof) external pure returns (Order memory order, bytes memory signature) {
        bytes memory encodedOrder;
        (,,,,,,,,,, encodedOrder, signature) = abi.decode(
            proof,
            (
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                uint256,
                bytes,
                bytes
            )
        );
        require(encodedOrder.length == 14 * 32, "another length");
        order = abi.decode(encodedOrder, (Order));
    }
}
