// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Order, UsageReceipt} from "../../../src/types/Usage.sol";
import {OutputReader} from "../../mocks/OutputReader.sol";
import {Test} from "../../utils/Test.sol";

/// @title What nodes deliver is read without a revert, and exactly when Solidity's own decoder would read it.
contract OutputLibTest is Test {
    OutputReader internal reader = new OutputReader();

    function testFuzz_decode_readsWhatWasEncoded(bytes calldata answer, UsageReceipt calldata receipt) public view {
        bytes memory output = abi.encode(answer, abi.encode(receipt));

        (bool ok, bytes memory read, UsageReceipt memory found) = reader.decode(output);

        assertTrue(ok, "well-formed");
        assertEq(read, answer, "answer");
        assertEq(reader.answerOf(output), answer, "answer alone");
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(receipt)), "receipt");
    }

    function test_decode_refusesWhatADryRunSends() public view {
        (bool ok,,) = reader.decode(new bytes(32));
        assertTrue(!ok, "one word of zeros");
        (ok,,) = reader.decode("");
        assertTrue(!ok, "nothing");
    }

    function testFuzz_decode_refusesReceiptsOfAnotherLength(uint8 size) public view {
        vm.assume(size != 288);
        (bool ok,,) = reader.decode(abi.encode(bytes("answer"), new bytes(size)));
        assertTrue(!ok, "not nine words");
        (ok,,) = reader.decode(abi.encode(bytes("answer"), new bytes(289)));
        assertTrue(!ok, "one byte more");
    }

    function testFuzz_decode_agreesWithSolidityOnDamagedOutput(
        bytes calldata answer,
        UsageReceipt calldata receipt,
        uint256 word,
        uint256 value,
        uint256 size
    ) public view {
        bytes memory output = _damage(abi.encode(answer, abi.encode(receipt)), word, value, size);

        (bool ok, bytes memory read, UsageReceipt memory found) = reader.decode(output);

        try reader.strictOutput(output) returns (bytes memory strict, UsageReceipt memory expected) {
            assertTrue(ok, "readable");
            assertEq(read, strict, "answer");
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "receipt");
        } catch {
            assertTrue(!ok, "not readable");
        }
    }

    function testFuzz_decode_refusesEachWordThatHoldsMoreThanItsType(UsageReceipt calldata receipt, uint8 extraBit)
        public
        view
    {
        uint8[9] memory bits = [0, 0, 160, 160, 32, 0, 0, 32, 32];
        for (uint256 i; i < bits.length; ++i) {
            if (bits[i] == 0) continue;
            bytes memory encoded = abi.encode(receipt);
            _setBit(encoded, i, bound(extraBit, bits[i], 255));
            (bool ok,,) = reader.decode(abi.encode(bytes("answer"), encoded));
            assertTrue(!ok, "refused");
            (ok,,) = reader.decodeProof(abi.encodePacked(encoded, abi.encode(uint256(320), uint256(0))));
            assertTrue(!ok, "refused in a proof");
        }
    }

    function testFuzz_decodeProof_readsWhatWasEncoded(UsageReceipt calldata receipt, bytes calldata signature)
        public
        view
    {
        (bool ok, UsageReceipt memory found, bytes memory read) = reader.decodeProof(abi.encode(receipt, signature));

        assertTrue(ok, "well-formed");
        assertEq(read, signature, "signature");
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(receipt)), "receipt");
    }

    function testFuzz_decodeProof_agreesWithSolidityOnDamagedProofs(
        UsageReceipt calldata receipt,
        bytes calldata signature,
        uint256 word,
        uint256 value,
        uint256 size
    ) public view {
        bytes memory proof = _damage(abi.encode(receipt, signature), word, value, size);

        (bool ok, UsageReceipt memory found, bytes memory read) = reader.decodeProof(proof);

        try reader.strictProof(proof) returns (UsageReceipt memory expected, bytes memory strict) {
            assertTrue(ok, "readable");
            assertEq(read, strict, "signature");
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "receipt");
        } catch {
            assertTrue(!ok, "not readable");
        }
    }

    function testFuzz_decodeOrder_readsWhatWasEncoded(
        UsageReceipt calldata receipt,
        bytes calldata receiptSignature,
        Order calldata order,
        bytes calldata signature
    ) public view {
        bytes memory proof = abi.encode(receipt, receiptSignature, abi.encode(order), signature);

        (bool ok, Order memory found, bytes memory read) = reader.decodeOrder(proof);

        assertTrue(ok, "well-formed");
        assertEq(read, signature, "the requester's signature");
        assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(order)), "order");
        assertEq(reader.signatureOf(proof, receipt), receiptSignature, "the receipt's signature");
    }

    function testFuzz_decodeOrder_agreesWithSolidityOnDamagedProofs(
        UsageReceipt calldata receipt,
        Order calldata order,
        bytes calldata signature,
        uint256 word,
        uint256 value,
        uint256 size
    ) public view {
        bytes memory proof = _damage(abi.encode(receipt, bytes("65"), abi.encode(order), signature), word, value, size);

        (bool ok, Order memory found, bytes memory read) = reader.decodeOrder(proof);

        try reader.strictOrder(proof) returns (Order memory expected, bytes memory strict) {
            assertTrue(ok, "readable");
            assertEq(read, strict, "signature");
            assertEq(keccak256(abi.encode(found)), keccak256(abi.encode(expected)), "order");
        } catch {
            assertTrue(!ok, "not readable");
        }
    }

    function testFuzz_decodeOrder_refusesEachWordThatHoldsMoreThanItsType(Order calldata order, uint8 extraBit)
        public
        view
    {
        UsageReceipt memory receipt;
        // consumer, model, requester | prices | caps | split | payload hash and size, deadline, salt
        uint8[14] memory bits = [160, 0, 160, 96, 80, 80, 32, 32, 24, 24, 0, 32, 40, 0];
        for (uint256 i; i < bits.length; ++i) {
            if (bits[i] == 0) continue;
            bytes memory encoded = abi.encode(order);
            _setBit(encoded, i, bound(extraBit, bits[i], 255));
            (bool ok,,) = reader.decodeOrder(abi.encode(receipt, bytes(""), encoded, bytes("")));
            assertTrue(!ok, "refused");
        }
    }

    function test_decodeOrder_refusesProofsWithoutAnOrder() public view {
        UsageReceipt memory receipt;
        bytes[4] memory proofs = [
            bytes(""),
            new bytes(65),
            abi.encode(receipt, new bytes(65)),
            abi.encode(receipt, new bytes(65), new bytes(447), new bytes(65))
        ];
        for (uint256 i; i < proofs.length; ++i) {
            (bool ok,,) = reader.decodeOrder(proofs[i]);
            assertTrue(!ok, "no order");
        }
    }

    function test_decodeOrder_refusesSignaturesThatReachBeyondTheProof() public view {
        UsageReceipt memory receipt;
        Order memory order;
        bytes memory proof = abi.encode(receipt, bytes("65"), abi.encode(order), new bytes(65));
        (bool ok,,) = reader.decodeOrder(proof);
        assertTrue(ok, "as it was encoded");
        // Behind the receipt stand the offsets of its signature, of the order and of the order's signature.
        assembly ("memory-safe") {
            mstore(add(proof, add(32, 352)), mload(proof))
        }

        (ok,,) = reader.decodeOrder(proof);

        assertTrue(!ok, "an offset at the end");
    }

    function testFuzz_signatureOf_isTheProofItselfUnlessItStartsWithTheReceipt(
        UsageReceipt calldata receipt,
        bytes32 otherRequest,
        bytes calldata signature
    ) public view {
        vm.assume(otherRequest != receipt.requestId);
        UsageReceipt memory other = receipt;
        other.requestId = otherRequest;
        bytes memory proof = abi.encode(receipt, signature);

        assertEq(reader.signatureOf(new bytes(65), receipt), new bytes(65), "a key's signature");
        assertEq(reader.signatureOf(new bytes(288), receipt), new bytes(288), "as long as a receipt");
        assertEq(reader.signatureOf(new bytes(999), receipt), new bytes(999), "a contract's long signature");
        assertEq(reader.signatureOf(proof, receipt), signature, "a proof for a verifier");
        assertEq(reader.signatureOf(proof, other), proof, "a proof with another receipt");
    }

    /// @dev Overwrites one word at any place and cuts the end, either of which may also change nothing.
    function _damage(bytes memory data, uint256 word, uint256 value, uint256 size)
        private
        pure
        returns (bytes memory)
    {
        word = bound(word, 0, data.length / 32);
        // Offsets and lengths near what is there tell more than any that are far off.
        if (value % 3 != 0) value = bound(value, 0, data.length + 64);
        if (word < data.length / 32) {
            assembly ("memory-safe") {
                mstore(add(add(data, 32), mul(word, 32)), value)
            }
        }
        if (size % 4 == 0) size = bound(size, 0, data.length);
        else size = data.length;
        assembly ("memory-safe") {
            mstore(data, size)
        }
        return data;
    }

    function _setBit(bytes memory data, uint256 word, uint256 bit) private pure {
        assembly ("memory-safe") {
            let at := add(add(data, 32), mul(word, 32))
            mstore(at, or(mload(at), shl(bit, 1)))
        }
    }
}
