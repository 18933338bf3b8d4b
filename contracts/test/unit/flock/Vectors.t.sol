// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {UsageMeter} from "../../../src/UsageMeter.sol";
import {IModelRegistry} from "../../../src/interfaces/IModelRegistry.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ReceiptLib} from "../../../src/libraries/ReceiptLib.sol";
import {RewardLib} from "../../../src/libraries/RewardLib.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {TaskEnvelope, UsageReceipt} from "../../../src/types/Usage.sol";
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

    function test_envelopes_encodeAndHashAsInTypeScript() public view {
        uint256 count;
        for (; vm.keyExistsJson(json, _key(count, "")); ++count) {
            TaskEnvelope memory envelope = _envelope(count);
            assertEq(
                ReceiptLib.structHash(envelope), vm.parseJsonBytes32(json, _key(count, ".receipt.inputHash")), "hash"
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

    /// Vector T12 of FLock's documents, where it is about one operator and its delegators.
    function test_delegation_followsVectorT12() public pure {
        uint256 earned = 101_922_975_000_101_922_975;
        uint256 part = RewardLib.delegatorsPartDown(earned, 400_000, 3_000e18, 1_000e18);
        assertEq(part, 15_288_446_250_015_288_446, "delegators");
        assertEq(earned - part, 86_634_528_750_086_634_529, "node");
        (uint256 perShare, uint256 carry) = RewardLib.spreadDown(part, 0, 1_000e18);
        assertEq(perShare, 15_288_446_250_015_288, "per share");
        assertEq(250e18 * perShare / 1e18, 3_822_111_562_503_822_000, "250 shares");
        assertEq(750e18 * perShare / 1e18, 11_466_334_687_511_466_000, "750 shares");
        assertEq(carry / 1e18, 446, "kept for the next reward");
    }

    function testFuzz_earnedDown_isTheFloorOfWhatIsDueHoweverOftenItIsSettled(
        uint128 fees,
        uint128 between,
        uint32 weight,
        uint64 totalWeight
    ) public pure {
        totalWeight = uint64(bound(totalWeight, 1, type(uint64).max));
        weight = uint32(bound(weight, 0, totalWeight < type(uint32).max ? totalWeight : type(uint32).max));
        between = uint128(bound(between, 0, fees));
        uint256 inTwoSteps = RewardLib.earnedDown(0, between, weight, totalWeight)
            + RewardLib.earnedDown(between, fees, weight, totalWeight);
        assertEq(inTwoSteps, uint256(fees) * weight / totalWeight, "floor");
    }

    function testFuzz_delegatorsPartDown_neverExceedsTheReward(
        uint128 reward,
        uint256 sigmaPpm,
        uint104 own,
        uint104 delegated
    ) public pure {
        sigmaPpm = bound(sigmaPpm, 0, 1_000_000);
        uint256 part = RewardLib.delegatorsPartDown(reward, sigmaPpm, own, delegated);
        assertLe(part, reward, "part");
        if (sigmaPpm == 1_000_000 || delegated == 0) assertEq(part, 0, "operator keeps all");
        if (sigmaPpm == 0 && own == 0 && delegated != 0) assertEq(part, reward, "delegators get all");
    }

    function testFuzz_spreadDown_losesNothing(uint128 part, uint104 delegated, uint104 carry) public pure {
        delegated = uint104(bound(delegated, 1, type(uint104).max));
        (uint256 increase, uint256 newCarry) = RewardLib.spreadDown(part, carry, delegated);
        assertEq(increase * delegated + newCarry, uint256(part) * 1e18 + carry, "all accounted for");
        assertTrue(newCarry < delegated, "carry");
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

    function _key(uint256 index, string memory rest) private pure returns (string memory) {
        return string.concat("$[", vm.toString(index), "]", rest);
    }
}
