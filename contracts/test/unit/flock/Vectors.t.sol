// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {UsageMeter} from "../../../src/UsageMeter.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ReceiptLib} from "../../../src/libraries/ReceiptLib.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Task, TaskEnvelope, UsageReceipt} from "../../../src/types/Usage.sol";
import {Test} from "../../utils/Test.sol";

/// @title The vectors that the TypeScript side is tested with, computed here by the contracts.
contract VectorsTest is Test {
    string internal json = vm.readFile("test/fixtures/receipts.json");

    function test_receipts_hashAndSignAsInTypeScript() public {
        address template = address(new UsageMeter(IModelRegistry(address(0))));
        uint256 count;
        for (; vm.keyExistsJson(json, _key(count, "")); ++count) {
            vm.chainId(vm.parseJsonUint(json, _key(count, ".chainId")));
            address meter = vm.parseJsonAddress(json, _key(count, ".usageMeter"));
            vm.etch(meter, template.code);
            UsageReceipt memory receipt = _receipt(count);
            bytes32 digest = IUsageMeter(meter).receiptDigest(receipt);

            assertEq(digest, vm.parseJsonBytes32(json, _key(count, ".digest")), "digest");
            assertEq(abi.encode(receipt), vm.parseJsonBytes(json, _key(count, ".receiptBytes")), "encoding");
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(vm.parseJsonUint(json, _key(count, ".signerKey")), digest);
            assertEq(
                abi.encodePacked(r, s, v), vm.parseJsonBytes(json, _key(count, ".signature")), "signature"
            );
        }
        assertTrue(count >= 2, "there are vectors");
    }

    function test_envelopes_encodeAndHashAsInTypeScript() public {
        uint256 count;
        for (; vm.keyExistsJson(json, _key(count, "")); ++count) {
            TaskEnvelope memory envelope = _envelope(count);
            vm.chainId(envelope.chainId);
            assertEq(
                ReceiptLib.envelopeHash(_taskOf(envelope)),
                vm.parseJsonBytes32(json, _key(count, ".receipt.inputHash")),
                "hash"
            );
            assertEq(
                ReceiptLib.encode(envelope), vm.parseJsonBytes(json, _key(count, ".containerInputs")), "encoding"
            );
            assertEq(
                keccak256(vm.parseJsonBytes(json, _key(count, ".answer"))),
                vm.parseJsonBytes32(json, _key(count, ".receipt.outputHash")),
                "answer"
            );
        }
        assertTrue(count >= 2, "there are vectors");
    }

    function _receipt(uint256 i) private view returns (UsageReceipt memory) {
        return UsageReceipt({
            requestId: vm.parseJsonBytes32(json, _key(i, ".receipt.requestId")),
            modelId: ModelId.wrap(vm.parseJsonBytes32(json, _key(i, ".receipt.modelId"))),
            requester: vm.parseJsonAddress(json, _key(i, ".receipt.requester")),
            node: vm.parseJsonAddress(json, _key(i, ".receipt.node")),
            interval: uint32(vm.parseJsonUint(json, _key(i, ".receipt.interval"))),
            inputHash: vm.parseJsonBytes32(json, _key(i, ".receipt.inputHash")),
            outputHash: vm.parseJsonBytes32(json, _key(i, ".receipt.outputHash")),
            promptTokens: uint32(vm.parseJsonUint(json, _key(i, ".receipt.promptTokens"))),
            completionTokens: uint32(vm.parseJsonUint(json, _key(i, ".receipt.completionTokens")))
        });
    }

    function _envelope(uint256 i) private view returns (TaskEnvelope memory) {
        return TaskEnvelope({
            chainId: vm.parseJsonUint(json, _key(i, ".envelope.chainId")),
            consumer: vm.parseJsonAddress(json, _key(i, ".envelope.consumer")),
            subscriptionId: uint32(vm.parseJsonUint(json, _key(i, ".envelope.subscriptionId"))),
            interval: uint32(vm.parseJsonUint(json, _key(i, ".envelope.interval"))),
            requestId: vm.parseJsonBytes32(json, _key(i, ".envelope.requestId")),
            requester: vm.parseJsonAddress(json, _key(i, ".envelope.requester")),
            node: vm.parseJsonAddress(json, _key(i, ".envelope.node")),
            modelId: ModelId.wrap(vm.parseJsonBytes32(json, _key(i, ".envelope.modelId"))),
            maxPromptTokens: uint32(vm.parseJsonUint(json, _key(i, ".envelope.maxPromptTokens"))),
            maxCompletionTokens: uint32(vm.parseJsonUint(json, _key(i, ".envelope.maxCompletionTokens"))),
            payload: vm.parseJsonBytes(json, _key(i, ".envelope.payload"))
        });
    }

    function _taskOf(TaskEnvelope memory envelope) private pure returns (Task memory) {
        return Task({
            consumer: envelope.consumer,
            subscriptionId: envelope.subscriptionId,
            interval: envelope.interval,
            requestId: envelope.requestId,
            requester: envelope.requester,
            node: envelope.node,
            modelId: envelope.modelId,
            maxPromptTokens: envelope.maxPromptTokens,
            maxCompletionTokens: envelope.maxCompletionTokens,
            payloadHash: keccak256(envelope.payload)
        });
    }

    function _key(uint256 index, string memory rest) private pure returns (string memory) {
        return string.concat("$[", vm.toString(index), "]", rest);
    }
}
