// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {Reader} from "infernet-sdk/utility/Reader.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract ReaderTest is InfernetTest {
    RecordingConsumer internal consumer;

    function setUp() public override {
        super.setUp();
        consumer = new RecordingConsumer(address(registry), NATIVE);
        for (uint32 i = 1; i <= 3; i++) {
            consumer.create(CONTAINERS, i, 0, 2, false, NATIVE, 0, NATIVE, NATIVE);
        }
    }

    function test_readSubscriptionBatch_excludesTheEnd() public view {
        Subscription[] memory subs = reader.readSubscriptionBatch(2, 4);

        assertEq(subs.length, 2, "length");
        assertEq(abi.encode(subs[0]), abi.encode(coordinator.getSubscription(2)), "id 2");
        assertEq(abi.encode(subs[1]), abi.encode(coordinator.getSubscription(3)), "id 3");
        assertEq(subs[1].frequency, 3, "frequency of id 3");
    }

    function test_readSubscriptionBatch_givesZerosForUnknownIds() public view {
        Subscription[] memory subs = reader.readSubscriptionBatch(0, 6);

        assertEq(subs.length, 6, "length");
        Subscription memory none;
        assertEq(abi.encode(subs[0]), abi.encode(none), "id 0");
        assertEq(subs[3].frequency, 3, "id 3");
        assertEq(abi.encode(subs[4]), abi.encode(none), "id 4");
        assertEq(abi.encode(subs[5]), abi.encode(none), "id 5");
    }

    function test_readSubscriptionBatch_isEmptyWhenStartIsEnd() public view {
        assertEq(reader.readSubscriptionBatch(2, 2).length, 0, "length");
    }

    function test_readSubscriptionBatch_panicsWhenTheEndComesFirst() public {
        bytes memory call = abi.encodeCall(Reader.readSubscriptionBatch, (3, 2));
        assertReverts(node, address(reader), call, panic(0x11), "inverted");
    }

    function test_readRedundancyCountBatch_pairsIdsAndIntervals() public {
        deliver(node, 1, 1, NATIVE);
        deliver(node, 3, 1, NATIVE);
        deliver(stranger, 3, 1, NATIVE);

        uint16[] memory counts = reader.readRedundancyCountBatch(numbers(1, 2, 3), numbers(1, 1, 1));

        assertEq(counts.length, 3, "length");
        assertEq(counts[0], 1, "id 1");
        assertEq(counts[1], 0, "id 2");
        assertEq(counts[2], 2, "id 3");
        assertEq(reader.readRedundancyCountBatch(numbers(3, 3, 3), numbers(2, 1, 0))[1], 2, "interval 1 of id 3");
    }

    function test_readRedundancyCountBatch_ignoresSurplusIntervals() public view {
        uint16[] memory counts = reader.readRedundancyCountBatch(new uint32[](1), numbers(1, 2, 3));
        assertEq(counts.length, 1, "length");
    }

    function test_readRedundancyCountBatch_panicsWhenIntervalsAreMissing() public {
        bytes memory call = abi.encodeCall(Reader.readRedundancyCountBatch, (numbers(1, 2, 3), new uint32[](2)));
        assertReverts(node, address(reader), call, panic(0x32), "two intervals for three ids");
    }

    function numbers(uint32 a, uint32 b, uint32 c) internal pure returns (uint32[] memory list) {
        list = new uint32[](3);
        (list[0], list[1], list[2]) = (a, b, c);
    }
}
