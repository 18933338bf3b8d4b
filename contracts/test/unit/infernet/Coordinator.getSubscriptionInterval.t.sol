// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract CoordinatorGetSubscriptionIntervalTest is InfernetTest {
    RecordingConsumer internal consumer;
    uint32 internal id;

    function setUp() public override {
        super.setUp();
        consumer = new RecordingConsumer(address(registry), NATIVE);
        id = consumer.create(CONTAINERS, 3, 3600, 9, false, NATIVE, 0, NATIVE, NATIVE);
    }

    function refusedAt(uint256 time, uint32 interval, bytes4 expected, string memory what) internal {
        vm.warp(time);
        assertReverts(node, address(coordinator), delivery(id, interval, NATIVE), expected, what);
    }

    function acceptedAt(uint256 time, uint32 interval, string memory name) internal {
        vm.warp(time);
        address answering = actor(name);
        deliver(answering, id, interval, NATIVE);
        assertTrue(coordinator.nodeResponded(deliveryKey(id, interval, answering)), name);
    }

    function test_deliverCompute_followsTheClockThroughTheIntervals() public {
        refusedAt(1_700_003_599, 1, Coordinator.SubscriptionNotActive.selector, "before the first");
        acceptedAt(1_700_003_600, 1, "first second of 1");
        acceptedAt(1_700_007_199, 1, "last second of 1");
        refusedAt(1_700_007_200, 1, Coordinator.IntervalMismatch.selector, "1 is over");
        acceptedAt(1_700_007_200, 2, "first second of 2");
        acceptedAt(1_700_010_800, 3, "first second of 3");
        acceptedAt(1_700_014_399, 3, "last second of 3");
        refusedAt(1_700_014_400, 3, Coordinator.IntervalMismatch.selector, "3 is over");
        refusedAt(1_700_014_400, 4, Coordinator.SubscriptionCompleted.selector, "there is no 4");
    }

    function test_deliverCompute_countsEachIntervalByItself() public {
        acceptedAt(1_700_003_600, 1, "a");
        acceptedAt(1_700_003_600, 1, "b");
        acceptedAt(1_700_007_200, 2, "a");

        assertEq(coordinator.redundancyCount(answersKey(id, 1)), 2, "interval 1");
        assertEq(coordinator.redundancyCount(answersKey(id, 2)), 1, "interval 2");
        assertEq(coordinator.redundancyCount(answersKey(id, 3)), 0, "interval 3");
    }

    function test_getSubscriptionInterval_wrapsBeforeTheStart() public {
        vm.warp(1_700_003_599);
        assertEq(coordinator.getSubscriptionInterval(1_700_003_600, 3600), 1_193_047, "one second early");
    }

    function test_getSubscriptionInterval_isOneWithoutPeriod() public view {
        assertEq(coordinator.getSubscriptionInterval(0, 0), 1, "long active");
        assertEq(coordinator.getSubscriptionInterval(type(uint32).max, 0), 1, "cancelled");
    }

    function testFuzz_getSubscriptionInterval_isUnchecked32BitMathematics(uint32 now_, uint32 activeAt, uint32 period)
        public
    {
        vm.assume(period != 0);
        vm.warp(now_);

        uint256 elapsed = now_ >= activeAt ? now_ - activeAt : 2 ** 32 - (uint256(activeAt) - now_);
        uint256 expected = (elapsed / period + 1) % 2 ** 32;
        assertEq(coordinator.getSubscriptionInterval(activeAt, period), expected, "interval");
    }
}
