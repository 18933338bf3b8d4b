// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {LibBytes} from "solady/utils/LibBytes.sol";
import {ModelId} from "../types/ModelId.sol";
import {UsageReceipt} from "../types/Usage.sol";
import {ReceiptLib} from "./ReceiptLib.sol";

/// @title Reads what Infernet nodes deliver: output abi.encode(bytes answer, bytes abi.encode(UsageReceipt)), and as proof the
///        receipt's signature, alone or, for a verifier that sees nothing but the proof, as abi.encode(UsageReceipt, bytes).
/// @dev Never reverts: a node's dry run sends 32 zero bytes, and a reason with a name is worth more than an empty revert.
library OutputLib {
    /// @return ok false when the bytes are not of that form
    function decode(bytes memory output)
        internal
        pure
        returns (bool ok, bytes memory answer, UsageReceipt memory receipt)
    {
        bytes memory encodedReceipt;
        (ok, answer) = _bytesAt(output, 0);
        if (!ok) return (false, answer, receipt);
        (ok, encodedReceipt) = _bytesAt(output, 32);
        if (!ok || encodedReceipt.length != ReceiptLib.ENCODED_RECEIPT_BYTES) return (false, answer, receipt);
        ok = _readReceipt(encodedReceipt, receipt);
    }

    /// @notice The receipt and signature of a proof made for a verifier.
    /// @return ok false when the bytes are not of that form
    function decodeProof(bytes memory proof)
        internal
        pure
        returns (bool ok, UsageReceipt memory receipt, bytes memory signature)
    {
        if (proof.length < ReceiptLib.ENCODED_RECEIPT_BYTES) return (false, receipt, signature);
        ok = _readReceipt(proof, receipt);
        if (ok) (ok, signature) = _bytesAt(proof, ReceiptLib.ENCODED_RECEIPT_BYTES);
    }

    /// @notice The signature in a proof of either form. A proof that starts with the receipt itself was made for a verifier.
    function signatureOf(bytes memory proof, UsageReceipt memory receipt) internal pure returns (bytes memory) {
        if (proof.length <= ReceiptLib.ENCODED_RECEIPT_BYTES) return proof;
        (bool ok, UsageReceipt memory proven, bytes memory signature) = decodeProof(proof);
        return ok && keccak256(abi.encode(proven)) == keccak256(abi.encode(receipt)) ? signature : proof;
    }

    /// @dev The byte string whose offset stands at `head`.
    function _bytesAt(bytes memory data, uint256 head) private pure returns (bool ok, bytes memory value) {
        if (data.length < head + 32) return (false, value);
        uint256 offset = uint256(LibBytes.load(data, head));
        if (offset > data.length || data.length - offset < 32) return (false, value);
        uint256 size = uint256(LibBytes.load(data, offset));
        uint256 start = offset + 32;
        if (size > data.length - start) return (false, value);
        return (true, LibBytes.slice(data, start, start + size));
    }

    /// @dev False when a word holds more than its type.
    function _readReceipt(bytes memory data, UsageReceipt memory receipt) private pure returns (bool) {
        uint256 requester = uint256(LibBytes.load(data, 64));
        uint256 node = uint256(LibBytes.load(data, 96));
        uint256 interval = uint256(LibBytes.load(data, 128));
        uint256 promptTokens = uint256(LibBytes.load(data, 224));
        uint256 completionTokens = uint256(LibBytes.load(data, 256));
        if ((requester | node) >> 160 != 0 || (interval | promptTokens | completionTokens) >> 32 != 0) return false;
        receipt.requestId = LibBytes.load(data, 0);
        receipt.modelId = ModelId.wrap(LibBytes.load(data, 32));
        receipt.requester = address(uint160(requester));
        receipt.node = address(uint160(node));
        receipt.interval = uint32(interval);
        receipt.inputHash = LibBytes.load(data, 160);
        receipt.outputHash = LibBytes.load(data, 192);
        receipt.promptTokens = uint32(promptTokens);
        receipt.completionTokens = uint32(completionTokens);
        return true;
    }
}
