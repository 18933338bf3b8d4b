// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Inbox, InboxItem} from "infernet-sdk/Inbox.sol";
import {Coordinated} from "infernet-sdk/utility/Coordinated.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";

contract InboxTest is InfernetTest {
    bytes32 internal constant CONTAINER_ID = keccak256("containers");

    function write(address writer, string memory output) internal returns (uint256) {
        bytes memory call = abi.encodeCall(Inbox.write, (CONTAINER_ID, "input", bytes(output), "proof"));
        return abi.decode(callAs(writer, address(inbox), call), (uint256));
    }

    function test_write_storesUnderTheCallerWithoutSubscription() public {
        vm.expectEmit(address(inbox));
        emit Inbox.NewInboxItem(CONTAINER_ID, stranger, 0);
        assertEq(write(stranger, "output"), 0, "index");

        InboxItem memory item = inbox.read(CONTAINER_ID, stranger, 0);
        assertEq(item.timestamp, START, "timestamp");
        assertEq(item.subscriptionId, 0, "subscriptionId");
        assertEq(item.interval, 0, "interval");
        assertEq(item.input, "input", "input");
        assertEq(item.output, "output", "output");
        assertEq(item.proof, "proof", "proof");
    }

    function test_write_countsPerContainerAndWriter() public {
        assertEq(write(stranger, "a"), 0, "first of stranger");
        assertEq(write(stranger, "b"), 1, "second of stranger");
        assertEq(write(node, "c"), 0, "first of node");

        assertEq(inbox.read(CONTAINER_ID, stranger, 1).output, "b", "second of stranger");
        assertEq(inbox.read(CONTAINER_ID, node, 0).output, "c", "first of node");
    }

    function test_writeViaCoordinator_storesTheSubscription() public {
        bytes memory call = abi.encodeCall(Inbox.writeViaCoordinator, (CONTAINER_ID, node, 7, 3, "in", "out", "pr"));

        vm.expectEmit(address(inbox));
        emit Inbox.NewInboxItem(CONTAINER_ID, node, 0);
        bytes memory answer = callAs(address(coordinator), address(inbox), call);

        assertEq(abi.decode(answer, (uint256)), 0, "index");
        InboxItem memory item = inbox.read(CONTAINER_ID, node, 0);
        assertEq(item.subscriptionId, 7, "subscriptionId");
        assertEq(item.interval, 3, "interval");
        assertEq(item.output, "out", "output");
    }

    function test_writeViaCoordinator_revertsForOthers() public {
        bytes memory call = abi.encodeCall(Inbox.writeViaCoordinator, (CONTAINER_ID, node, 7, 3, "in", "out", "pr"));
        assertReverts(node, address(inbox), call, Coordinated.NotCoordinator.selector, "node");
    }

    function test_read_panicsOutOfRange() public {
        write(node, "only");
        bytes memory call = abi.encodeCall(Inbox.read, (CONTAINER_ID, node, 1));
        assertReverts(node, address(inbox), call, panic(0x32), "index 1");
    }

    function test_items_givesTheFieldsAndRevertsEmptyOutOfRange() public {
        write(node, "only");

        (uint32 timestamp, uint32 subscriptionId, uint32 interval, bytes memory input, bytes memory output,) =
            inbox.items(CONTAINER_ID, node, 0);
        assertEq(timestamp, START, "timestamp");
        assertEq(subscriptionId, 0, "subscriptionId");
        assertEq(interval, 0, "interval");
        assertEq(input, "input", "input");
        assertEq(output, "only", "output");

        bytes memory call = abi.encodeCall(inbox.items, (CONTAINER_ID, node, 1));
        assertReverts(node, address(inbox), call, bytes(""), "index 1");
    }
}
