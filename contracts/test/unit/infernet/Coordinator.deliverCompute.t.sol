// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuard} from "solady/utils/ReentrancyGuard.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {Inbox, InboxItem} from "infernet-sdk/Inbox.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {MockVerifier} from "../../mocks/infernet/MockVerifier.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract CoordinatorDeliverComputeTest is InfernetTest {
    bytes4 internal constant NO_REACTION = 0xdeadbeef;

    RecordingConsumer internal consumer;
    MockVerifier internal verifier;

    function setUp() public override {
        super.setUp();
        consumer = new RecordingConsumer(address(registry), NATIVE);
        verifier = new MockVerifier(coordinator);
    }

    function create(uint16 redundancy, bool lazy) internal returns (uint32) {
        return consumer.create(CONTAINERS, 1, 0, redundancy, lazy, NATIVE, 0, NATIVE, NATIVE);
    }

    function test_deliverCompute_callsBackEagerly() public {
        uint32 id = create(2, false);

        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionFulfilled(id, node);
        deliver(node, id, 1, NATIVE);

        RecordingConsumer.Answer memory answer = consumer.lastAnswer();
        assertEq(answer.subscriptionId, id, "subscriptionId");
        assertEq(answer.interval, 1, "interval");
        assertEq(answer.redundancy, 1, "redundancy");
        assertEq(answer.node, node, "node");
        assertEq(answer.input, "input", "input");
        assertEq(answer.output, "output", "output");
        assertEq(answer.proof, "proof", "proof");
        assertEq(answer.containerId, bytes32(0), "containerId");
        assertEq(answer.index, 0, "index");
    }

    function test_deliverCompute_putsLazyAnswersIntoTheInbox() public {
        deliver(node, create(1, true), 1, NATIVE);
        uint32 id = create(1, true);
        bytes32 containerId = keccak256(abi.encode(CONTAINERS));

        vm.expectEmit(address(inbox));
        emit Inbox.NewInboxItem(containerId, node, 1);
        deliver(node, id, 1, NATIVE);

        RecordingConsumer.Answer memory answer = consumer.lastAnswer();
        assertEq(answer.subscriptionId, id, "subscriptionId");
        assertEq(answer.node, node, "node");
        assertEq(answer.input, "", "input");
        assertEq(answer.output, "", "output");
        assertEq(answer.proof, "", "proof");
        assertEq(answer.containerId, containerId, "containerId");
        assertEq(answer.index, 1, "index");
        InboxItem memory item = inbox.read(containerId, node, 1);
        assertEq(item.timestamp, START, "timestamp");
        assertEq(item.subscriptionId, id, "item's subscriptionId");
        assertEq(item.interval, 1, "item's interval");
        assertEq(item.input, "input", "item's input");
        assertEq(item.output, "output", "item's output");
        assertEq(item.proof, "proof", "item's proof");
    }

    function test_deliverCompute_countsAnswersAndNodes() public {
        uint32 id = create(2, false);

        deliver(node, id, 1, NATIVE);
        deliver(stranger, id, 1, NATIVE);

        assertEq(consumer.lastAnswer().redundancy, 2, "redundancy");
        assertEq(coordinator.redundancyCount(answersKey(id, 1)), 2, "redundancyCount");
        assertTrue(coordinator.nodeResponded(deliveryKey(id, 1, node)), "node");
        assertTrue(coordinator.nodeResponded(deliveryKey(id, 1, stranger)), "stranger");
        assertTrue(!coordinator.nodeResponded(deliveryKey(id, 1, protocol)), "protocol");
    }

    function test_deliverCompute_usesTheDocumentedKeys() public pure {
        assertEq(answersKey(1, 1), 0xcc69885fda6bcc1a4ace058b4a62bf5e179ea78fd58a1ccd71c22cc9b688792f, "answers");
        assertEq(
            deliveryKey(1, 1, 0x70997970C51812dc3A010C7d01b50e0d17dc79C8),
            0x6f8b6bb19d20775bf5da05978c6db566cdd2558992eb170aef62b3d2a8bad177,
            "delivery"
        );
    }

    /// @dev Every case but the last also violates all the conditions that come after the one it is about.
    function test_deliverCompute_checksInOrder() public {
        address target = address(coordinator);
        uint32 id = consumer.create(CONTAINERS, 0, 3600, 0, false, NATIVE, 1 ether, address(1), address(2));
        pretendAnswered(id, 1, node);
        bytes4 expected = Coordinator.SubscriptionNotFound.selector;
        assertReverts(node, target, delivery(id + 1, 9, address(3)), expected, "2: unknown");
        assertReverts(node, target, delivery(0, 9, address(3)), expected, "2: zero");

        expected = Coordinator.SubscriptionNotActive.selector;
        assertReverts(node, target, delivery(id, 9, address(3)), expected, "3");

        vm.warp(START + 3600);
        assertReverts(node, target, delivery(id, 9, address(3)), Coordinator.IntervalMismatch.selector, "4");

        assertReverts(node, target, delivery(id, 1, address(3)), Coordinator.SubscriptionCompleted.selector, "5");

        id = consumer.create(CONTAINERS, 1, 0, 0, false, NATIVE, 1 ether, address(1), address(2));
        pretendAnswered(id, 1, node);
        assertReverts(node, target, delivery(id, 1, address(3)), Coordinator.IntervalCompleted.selector, "6");

        id = consumer.create(CONTAINERS, 1, 0, 1, false, NATIVE, 1 ether, address(1), address(2));
        pretendAnswered(id, 1, node);
        assertReverts(node, target, delivery(id, 1, address(3)), Coordinator.NodeRespondedAlready.selector, "7");

        assertReverts(stranger, target, delivery(id, 1, address(3)), Coordinator.InvalidWallet.selector, "8");
    }

    function test_deliverCompute_revertsWhenTheNodeAnswersAFullIntervalAgain() public {
        uint32 id = create(1, false);
        deliver(node, id, 1, NATIVE);

        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), Coordinator.IntervalCompleted.selector, "full"
        );
    }

    function test_deliverCompute_revertsWhenTheNodeAnsweredBefore() public {
        uint32 id = create(2, false);
        deliver(node, id, 1, NATIVE);

        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), Coordinator.NodeRespondedAlready.selector, "twice"
        );
        assertEq(coordinator.redundancyCount(answersKey(id, 1)), 1, "the failure does not count");
    }

    function test_deliverCompute_revertsWholeWhenTheConsumerDoes() public {
        uint32 id = create(1, true);
        consumer.reactWith(address(consumer), abi.encodePacked(NO_REACTION));

        assertReverts(node, address(coordinator), delivery(id, 1, NATIVE), bytes(""), "the consumer's reason");

        assertEq(coordinator.redundancyCount(answersKey(id, 1)), 0, "answers");
        assertTrue(!coordinator.nodeResponded(deliveryKey(id, 1, node)), "node");
        bytes memory read = abi.encodeCall(Inbox.read, (keccak256(abi.encode(CONTAINERS)), node, 0));
        assertReverts(node, address(inbox), read, panic(0x32), "inbox");
    }

    function test_deliverCompute_refusesNestedDeliveriesBeforeAllElse() public {
        uint32 id = create(1, false);

        consumer.reactWith(address(coordinator), delivery(999, 9, NATIVE));

        assertReverts(
            node, address(coordinator), delivery(id, 1, NATIVE), ReentrancyGuard.Reentrancy.selector, "nested"
        );
        consumer.reactWith(address(0), "");
        deliver(node, id, 1, NATIVE);
    }

    function test_deliverCompute_letsTheCallbackAskAgain() public {
        uint32 id = create(1, false);
        consumer.reactWith(
            address(coordinator),
            abi.encodeCall(Coordinator.createSubscription, (CONTAINERS, 1, 0, 1, false, NATIVE, 0, NATIVE, NATIVE))
        );

        deliver(node, id, 1, NATIVE);

        assertEq(coordinator.getSubscription(id + 1).owner, address(consumer), "the follow-up's owner");
    }

    function test_deliverCompute_letsTheCallbackCancel() public {
        uint32 id = create(2, false);
        consumer.reactWith(address(coordinator), abi.encodeCall(Coordinator.cancelSubscription, (id)));

        deliver(node, id, 1, NATIVE);

        assertReverts(
            stranger, address(coordinator), delivery(id, 1, NATIVE), Coordinator.SubscriptionNotActive.selector, "second"
        );
    }

    function test_deliverCompute_withoutPaymentIgnoresWalletsAndVerifier() public {
        uint32 id = consumer.create(CONTAINERS, 1, 0, 1, false, address(5), 0, address(6), address(verifier));

        deliver(node, id, 1, address(7));

        assertEq(consumer.answers(), 1, "answers");
        assertEq(verifier.requests(), 0, "requests to the verifier");
    }

    function test_deliverCompute_countsUpToTheHighestRedundancy() public {
        uint32 id = create(type(uint16).max, false);
        bytes32 slot = keccak256(abi.encode(answersKey(id, 1), uint256(2)));
        vm.store(address(coordinator), slot, bytes32(uint256(type(uint16).max - 1)));

        deliver(node, id, 1, NATIVE);

        assertEq(consumer.lastAnswer().redundancy, type(uint16).max, "redundancy");
        assertReverts(
            stranger, address(coordinator), delivery(id, 1, NATIVE), Coordinator.IntervalCompleted.selector, "full"
        );
    }
}
