// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {BaseConsumer} from "infernet-sdk/consumer/Base.sol";
import {Allowlist} from "infernet-sdk/pattern/Allowlist.sol";
import {AskingCallbackConsumer, ListingConsumer} from "../../mocks/infernet/AskingConsumers.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract ConsumersTest is InfernetTest {
    RecordingConsumer internal recording;
    AskingCallbackConsumer internal asking;

    function setUp() public override {
        super.setUp();
        recording = new RecordingConsumer(address(registry), node);
        asking = new AskingCallbackConsumer(address(registry));
    }

    function answer() internal view returns (bytes memory) {
        return abi.encodeCall(BaseConsumer.rawReceiveCompute, (1, 2, 3, node, "in", "out", "pr", bytes32("c"), 4));
    }

    function test_baseConsumer_readsItsPlacesFromTheRegistry() public view {
        (address coordinator_, address inbox_) = recording.places();
        assertEq(coordinator_, address(coordinator), "COORDINATOR");
        assertEq(inbox_, address(inbox), "INBOX");
    }

    function test_rawReceiveCompute_forwardsNineArguments() public {
        callAs(address(coordinator), address(recording), answer());

        RecordingConsumer.Answer memory last = recording.lastAnswer();
        assertEq(
            abi.encode(last),
            abi.encode(RecordingConsumer.Answer(1, 2, 3, node, "in", "out", "pr", bytes32("c"), 4)),
            "answer"
        );
    }

    function test_rawReceiveCompute_revertsForOthers() public {
        assertReverts(node, address(recording), answer(), BaseConsumer.NotCoordinator.selector, "node");
    }

    function test_getContainerInputs_isEmptyByDefault() public view {
        assertEq(recording.getContainerInputs(1, 1, uint32(START), node), "", "inputs");
    }

    function test_callbackConsumer_asksOnceEagerlyAndKeepsInputs() public {
        uint32 id = asking.ask("A,B", "prompt", 3, address(1), 5, address(2), address(4));

        Subscription memory sub = coordinator.getSubscription(id);
        assertEq(
            abi.encode(sub),
            abi.encode(
                Subscription({
                    owner: address(asking),
                    activeAt: uint32(START),
                    period: 0,
                    frequency: 1,
                    redundancy: 3,
                    containerId: keccak256(abi.encode("A,B")),
                    lazy: false,
                    verifier: payable(address(4)),
                    paymentAmount: 5,
                    paymentToken: address(1),
                    wallet: payable(address(2))
                })
            ),
            "subscription"
        );
        assertEq(asking.getContainerInputs(id, 1, 0, address(0)), "prompt", "inputs");
        assertEq(asking.getContainerInputs(id + 1, 1, 0, address(0)), "", "inputs of another");
    }

    function test_callbackConsumer_isCalledBack() public {
        uint32 id = asking.ask(CONTAINERS, "prompt", 1, NATIVE, 0, NATIVE, NATIVE);
        deliver(node, id, 1, NATIVE);
        assertEq(asking.lastOutput(), "output", "output");
    }

    function test_delegator_changesItsSigner() public {
        assertEq(recording.getSigner(), node, "first");
        recording.setSigner(stranger);
        assertEq(recording.getSigner(), stranger, "second");
    }

    function test_allowlist_refusesOtherNodes() public {
        ListingConsumer listing = new ListingConsumer(address(registry), one(node));
        uint32 id = listing.ask();

        deliver(node, id, 1, NATIVE);
        assertReverts(
            stranger, address(coordinator), delivery(id, 1, NATIVE), Allowlist.NodeNotAllowed.selector, "stranger"
        );

        assertEq(listing.answers(), 1, "answers");
        assertTrue(listing.isAllowedNode(node), "node");
        assertTrue(!listing.isAllowedNode(stranger), "stranger");
    }

    function test_allowlist_updatesStatuses() public {
        ListingConsumer listing = new ListingConsumer(address(registry), one(node));
        address[] memory nodes = new address[](2);
        (nodes[0], nodes[1]) = (node, stranger);
        bool[] memory status = new bool[](2);
        status[1] = true;

        listing.update(nodes, status);

        assertTrue(!listing.isAllowedNode(node), "node");
        assertTrue(listing.isAllowedNode(stranger), "stranger");
    }

    function test_allowlist_doesNotCompareLengths() public {
        ListingConsumer listing = new ListingConsumer(address(registry), one(node));

        listing.update(one(node), new bool[](2));
        assertTrue(!listing.isAllowedNode(node), "surplus statuses are ignored");

        bytes memory call = abi.encodeCall(ListingConsumer.update, (one(node), new bool[](0)));
        assertReverts(node, address(listing), call, panic(0x32), "missing statuses");
    }

    function one(address account) internal pure returns (address[] memory list) {
        list = new address[](1);
        list[0] = account;
    }
}
