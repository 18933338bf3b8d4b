// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Order, UsageReceipt} from "../types/Usage.sol";
import {ReceiptLib} from "./ReceiptLib.sol";

/// @title Reads what Infernet nodes deliver.
/// @notice Output is abi.encode(bytes answer, bytes abi.encode(UsageReceipt)). Proof is one of
///         - the receipt's signature alone,
///         - abi.encode(UsageReceipt, bytes signature), for a verifier, which sees nothing but the proof,
///         - abi.encode(UsageReceipt, bytes signature, bytes abi.encode(Order), bytes orderSignature), for an order.
/// @dev Never reverts: a node's dry run sends 32 zero bytes, and a reason with a name is worth more than an empty revert.
library OutputLib {
    /// @return ok false when the bytes are not of that form
    function decode(bytes calldata output)
        internal
        pure
        returns (bool ok, bytes calldata answer, UsageReceipt calldata receipt)
    {
        receipt = _receiptAt(output);
        bytes calldata encodedReceipt;
        (ok, answer) = _bytesAt(output, 0);
        if (!ok) return (false, answer, receipt);
        (ok, encodedReceipt) = _bytesAt(output, 32);
        if (!ok || encodedReceipt.length != ReceiptLib.ENCODED_RECEIPT_BYTES) return (false, answer, receipt);
        receipt = _receiptAt(encodedReceipt);
        ok = _isClean(receipt);
    }

    /// @notice The answer in an output that is known to decode.
    function answerOf(bytes calldata output) internal pure returns (bytes calldata answer) {
        (, answer) = _bytesAt(output, 0);
    }

    /// @notice The receipt and signature of a proof made for a verifier or an order.
    /// @return ok false when the bytes are not of that form
    function decodeProof(bytes calldata proof)
        internal
        pure
        returns (bool ok, UsageReceipt calldata receipt, bytes calldata signature)
    {
        receipt = _receiptAt(proof);
        (ok, signature) = _bytesAt(proof, ReceiptLib.ENCODED_RECEIPT_BYTES);
        if (ok) ok = _isClean(receipt);
    }

    /// @notice The order and its signature in a proof.
    /// @return ok false when the proof holds none
    function decodeOrder(bytes calldata proof)
        internal
        pure
        returns (bool ok, Order calldata order, bytes calldata signature)
    {
        bytes calldata encodedOrder;
        (ok, encodedOrder) = _bytesAt(proof, ReceiptLib.ENCODED_RECEIPT_BYTES + 32);
        order = _orderAt(encodedOrder);
        if (!ok || encodedOrder.length != ReceiptLib.ENCODED_ORDER_BYTES) return (false, order, proof);
        (ok, signature) = _bytesAt(proof, ReceiptLib.ENCODED_RECEIPT_BYTES + 64);
        if (ok) ok = _isClean(order);
    }

    /// @notice The receipt's signature in a proof of any form. A proof that starts with the receipt itself is not the bare one.
    function signatureOf(bytes calldata proof, UsageReceipt calldata receipt) internal pure returns (bytes calldata) {
        if (proof.length <= ReceiptLib.ENCODED_RECEIPT_BYTES) return proof;
        (bool ok, UsageReceipt calldata proven, bytes calldata signature) = decodeProof(proof);
        return ok && ReceiptLib.structHash(proven) == ReceiptLib.structHash(receipt) ? signature : proof;
    }

    /// @dev The byte string whose offset stands at `head`, or all the data when there is none: offset and length must leave
    ///      head, length word and bytes inside the data. In assembly since it is used, and so placed, five times.
    function _bytesAt(bytes calldata data, uint256 head) private pure returns (bool ok, bytes calldata value) {
        value = data;
        assembly ("memory-safe") {
            let offset := calldataload(add(data.offset, head))
            ok := and(iszero(lt(data.length, add(head, 32))), lt(offset, data.length))
            let room := sub(data.length, offset)
            let size := calldataload(add(data.offset, offset))
            ok := and(ok, and(gt(room, 31), iszero(gt(size, sub(room, 32)))))
            if ok {
                value.offset := add(add(data.offset, offset), 32)
                value.length := size
            }
        }
    }

    /// @dev A view of the bytes; whoever reads it must know that they are long enough.
    function _receiptAt(bytes calldata data) private pure returns (UsageReceipt calldata receipt) {
        assembly ("memory-safe") {
            receipt := data.offset
        }
    }

    /// @dev A view of the bytes; whoever reads it must know that they are long enough.
    function _orderAt(bytes calldata data) private pure returns (Order calldata order) {
        assembly ("memory-safe") {
            order := data.offset
        }
    }

    /// @dev False when a word holds more than its type, which reading it would answer with an empty revert.
    function _isClean(UsageReceipt calldata receipt) private pure returns (bool clean) {
        assembly ("memory-safe") {
            let accounts := or(calldataload(add(receipt, 64)), calldataload(add(receipt, 96)))
            let counts := or(calldataload(add(receipt, 128)), calldataload(add(receipt, 224)))
            counts := or(counts, calldataload(add(receipt, 256)))
            clean := iszero(or(shr(160, accounts), shr(32, counts)))
        }
    }

    /// @dev False when a word holds more than its type.
    function _isClean(Order calldata order) private pure returns (bool clean) {
        assembly ("memory-safe") {
            let wide := shr(160, or(calldataload(order), calldataload(add(order, 64))))
            wide := or(wide, shr(96, calldataload(add(order, 96))))
            wide := or(wide, shr(80, or(calldataload(add(order, 128)), calldataload(add(order, 160)))))
            wide := or(wide, shr(32, or(calldataload(add(order, 192)), calldataload(add(order, 224)))))
            wide := or(wide, shr(24, or(calldataload(add(order, 256)), calldataload(add(order, 288)))))
            wide := or(wide, shr(32, calldataload(add(order, 352))))
            wide := or(wide, shr(40, calldataload(add(order, 384))))
            clean := iszero(wide)
        }
    }
}
