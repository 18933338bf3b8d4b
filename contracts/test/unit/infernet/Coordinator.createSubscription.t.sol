// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator, Subscription} from "infernet-sdk/Coordinator.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract CoordinatorCreateSubscriptionTest is InfernetTest {
    uint256 internal constant SUBSCRIPTIONS_SLOT = 4;

    RecordingConsumer internal consumer;

    function setUp() public override {
        super.setUp();
        consumer = new RecordingConsumer(address(registry), NATIVE);
    }

    function create(uint32 frequency, uint32 period, uint16 redundancy) internal returns (uint32) {
        return consumer.create(CONTAINERS, frequency, period, redundancy, false, NATIVE, 0, NATIVE, NATIVE);
    }

    function containerIdOf(string memory containers) internal returns (bytes32) {
        uint32 id = consumer.create(containers, 1, 0, 1, false, NATIVE, 0, NATIVE, NATIVE);
        return coordinator.getSubscription(id).containerId;
    }

    function test_createSubscription_storesEveryField() public {
        uint32 id =
            consumer.create("A,B,C", 24, 3600, 3, true, address(0x22), 1 ether, address(0x33), address(0x11));

        Subscription memory sub = coordinator.getSubscription(id);
        assertEq(sub.owner, address(consumer), "owner");
        assertEq(sub.activeAt, START + 3600, "activeAt");
        assertEq(sub.period, 3600, "period");
        assertEq(sub.frequency, 24, "frequency");
        assertEq(sub.redundancy, 3, "redundancy");
        assertEq(sub.containerId, keccak256(abi.encode("A,B,C")), "containerId");
        assertTrue(sub.lazy, "lazy");
        assertEq(sub.verifier, address(0x11), "verifier");
        assertEq(sub.paymentAmount, 1 ether, "paymentAmount");
        assertEq(sub.paymentToken, address(0x22), "paymentToken");
        assertEq(sub.wallet, address(0x33), "wallet");
    }

    function test_createSubscription_usesTheDocumentedSlots() public {
        uint32 id =
            consumer.create("A,B,C", 24, 3600, 3, true, address(0x22), 1 ether, address(0x33), address(0x11));

        uint256 first = uint256(keccak256(abi.encode(uint256(id), SUBSCRIPTIONS_SLOT)));
        uint256 packed = uint256(uint160(address(consumer))) | (START + 3600) << 160 | 3600 << 192 | 24 << 224;
        assertEq(uint256(word(first)), packed, "owner, activeAt, period, frequency");
        assertEq(uint256(word(first + 1)), 3, "redundancy");
        assertEq(word(first + 2), keccak256(abi.encode("A,B,C")), "containerId");
        assertEq(uint256(word(first + 3)), 1 | 0x11 << 8, "lazy, verifier");
        assertEq(uint256(word(first + 4)), 1 ether, "paymentAmount");
        assertEq(uint256(word(first + 5)), 0x22, "paymentToken");
        assertEq(uint256(word(first + 6)), 0x33, "wallet");
        assertEq(uint256(word(0)), 2, "id");
    }

    function test_createSubscription_countsIdsFromOneAndEmits() public {
        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCreated(1);
        assertEq(create(1, 0, 1), 1, "first");

        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCreated(2);
        assertEq(create(1, 0, 1), 2, "second");

        assertEq(coordinator.id(), 3, "next");
    }

    function test_createSubscription_hashesTheContainerList() public {
        assertEq(
            containerIdOf("hello-world"),
            0x5768661526084c7b4d30f7224ed6c74ade98db3c6c395c55400a17f34a547e22,
            "hello-world"
        );
        assertEq(
            containerIdOf("some-llm"), 0x868f8afd42a93e57411cfaf733cfc007fdff4a069be48020ca20d6ed7be02d7e, "some-llm"
        );
        assertEq(containerIdOf("gpt4"), 0xcbdea8323416a05698f4257cc3c60e11e4bee8a1e3ac0413335bdeae4a60c040, "gpt4");
        assertEq(
            containerIdOf("tgi-llm"), 0x8f3467cab168974187f7315dfd839aa3eb63586514828bad273a6a73c0a2bcac, "tgi-llm"
        );
        assertEq(
            containerIdOf("onnx-iris"), 0x931bf305ecb87041995171650f72aeba4412d4a865be01babab0f67b1883a193, "onnx-iris"
        );
        assertEq(containerIdOf("A,B,C"), 0x58e516fa64e8520e529e772bac90a9a2120fd59c2d97733a38dc2b78360d430d, "A,B,C");
        assertEq(containerIdOf("A, B"), 0x47726fa031d41400b8f2762f07051ea5c7eaf0bc49086d86c3e57a262ca192a4, "A, B");
        assertEq(
            containerIdOf("container-1,container-2"),
            0x5da5b66b79661399b7a0c3bb75d21177a691f662a1b699ca8d037b8e09380610,
            "two containers"
        );
        assertEq(containerIdOf(""), 0x569e75fc77c1a856f6daaf9e69d8a9566ca34aa47f9133711ce065a571af0cfd, "empty");
    }

    function test_createSubscription_panicsWhenThePeriodOverflowsTime() public {
        bytes memory call = abi.encodeCall(
            RecordingConsumer.create,
            (CONTAINERS, 1, type(uint32).max - uint32(START) + 1, 1, false, NATIVE, 0, NATIVE, NATIVE)
        );
        assertReverts(stranger, address(consumer), call, panic(0x11), "one second too many");

        assertEq(create(1, type(uint32).max - uint32(START), 1), 1, "the longest period");
    }

    function test_createSubscription_withoutIntervalsIsCompletedAtOnce() public {
        uint32 id = create(0, 0, 1);

        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), Coordinator.SubscriptionCompleted.selector, "frequency 0"
        );
    }

    function test_createSubscription_withoutRedundancyTakesNoAnswer() public {
        uint32 id = create(1, 0, 0);

        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), Coordinator.IntervalCompleted.selector, "redundancy 0"
        );
    }

    function test_createSubscription_withoutPeriodStaysInIntervalOne() public {
        uint32 id = create(3, 0, 1);
        vm.warp(START + 365 days);

        assertReverts(
            node, address(coordinator), delivery(id, 2, NATIVE), Coordinator.IntervalMismatch.selector, "interval 2"
        );
        deliver(node, id, 1, NATIVE);
        assertReverts(
            stranger, address(coordinator), delivery(id, 1, NATIVE), Coordinator.IntervalCompleted.selector, "again"
        );
    }

    function test_createSubscription_byAnAccountWithoutCodeCannotBeDelivered() public {
        bytes memory call = abi.encodeCall(
            Coordinator.createSubscription, (CONTAINERS, 1, 0, 1, false, NATIVE, 0, NATIVE, NATIVE)
        );
        uint32 id = abi.decode(callAs(stranger, address(coordinator), call), (uint32));

        assertEq(coordinator.getSubscription(id).owner, stranger, "owner");
        assertReverts(node, address(coordinator), delivery(id, 1, NATIVE), bytes(""), "no code to call back");
    }

    function test_cancelSubscription_keepsAllButTheStart() public {
        uint32 id = create(2, 3600, 3);

        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCancelled(id);
        consumer.cancel(id);

        Subscription memory sub = coordinator.getSubscription(id);
        assertEq(sub.activeAt, type(uint32).max, "activeAt");
        assertEq(sub.owner, address(consumer), "owner");
        assertEq(sub.period, 3600, "period");
        assertEq(sub.frequency, 2, "frequency");
        assertEq(sub.redundancy, 3, "redundancy");
        vm.warp(START + 3600);
        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), Coordinator.SubscriptionNotActive.selector, "cancelled"
        );
    }

    function test_cancelSubscription_canBeRepeated() public {
        uint32 id = create(1, 0, 1);
        consumer.cancel(id);

        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCancelled(id);
        consumer.cancel(id);
    }

    function test_cancelSubscription_revertsForOthersAndUnknownIds() public {
        uint32 id = create(1, 0, 1);
        bytes4 expected = Coordinator.NotSubscriptionOwner.selector;

        assertReverts(
            stranger, address(coordinator), abi.encodeCall(Coordinator.cancelSubscription, (id)), expected, "stranger"
        );
        assertReverts(
            stranger, address(coordinator), abi.encodeCall(Coordinator.cancelSubscription, (id + 1)), expected, "unknown"
        );
    }

    function test_getSubscription_isAllZeroWhenUnknown() public view {
        Subscription memory none;
        assertEq(abi.encode(coordinator.getSubscription(77)), abi.encode(none), "unknown id");
    }

    function word(uint256 slot) internal view returns (bytes32) {
        return vm.load(address(coordinator), bytes32(slot));
    }
}
