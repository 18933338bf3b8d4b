// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ReentrancyGuard} from "solady/utils/ReentrancyGuard.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {DelegatedInfernetTest} from "../../mocks/infernet/DelegatedInfernetTest.sol";
import {RecordingConsumer} from "../../mocks/infernet/RecordingConsumer.sol";

contract EIP712CoordinatorDeliverComputeDelegateeTest is DelegatedInfernetTest {
    function signedDelivery(Signed memory order, uint32 interval) internal pure returns (bytes memory) {
        return abi.encodeCall(
            EIP712Coordinator.deliverComputeDelegatee,
            (
                order.nonce,
                order.expiry,
                order.sub,
                order.v,
                order.r,
                order.s,
                interval,
                "input",
                "output",
                "proof",
                NATIVE
            )
        );
    }

    function redundant(uint16 redundancy, uint32 period) internal view returns (Signed memory order) {
        order = vectorA();
        order.sub.redundancy = redundancy;
        order.sub.period = period;
        order.sub.frequency = 2;
        return sign(order);
    }

    function test_deliverComputeDelegatee_createsAndDelivers() public {
        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionCreated(1);
        vm.expectEmit(address(coordinator));
        emit Coordinator.SubscriptionFulfilled(1, node);
        callAs(node, address(coordinator), signedDelivery(vectorA(), 1));

        RecordingConsumer.Answer memory answer = RecordingConsumer(OWNER_A).lastAnswer();
        assertEq(answer.subscriptionId, 1, "subscriptionId");
        assertEq(answer.node, node, "node");
        assertEq(answer.input, "input", "input");
        assertEq(answer.output, "output", "output");
        assertEq(answer.proof, "proof", "proof");
    }

    function test_deliverComputeDelegatee_servesRedundantNodesAndLaterIntervals() public {
        Signed memory order = redundant(2, 3600);
        callAs(node, address(coordinator), signedDelivery(order, 1));
        callAs(stranger, address(coordinator), signedDelivery(order, 1));

        vm.warp(START + 3600);
        callAs(node, address(coordinator), signedDelivery(order, 2));

        assertEq(coordinator.id(), 2, "one subscription");
        assertEq(RecordingConsumer(OWNER_A).answers(), 3, "answers");
    }

    function test_deliverComputeDelegatee_checksTheSignatureFirst() public {
        Signed memory bad = vectorA();
        bad.nonce = 6;

        assertReverts(
            node,
            address(coordinator),
            signedDelivery(bad, 9),
            EIP712Coordinator.SignerMismatch.selector,
            "wrong signature and wrong interval"
        );
    }

    function test_deliverComputeDelegatee_createsNothingWhenTheDeliveryFails() public {
        assertReverts(
            node, address(coordinator), signedDelivery(vectorA(), 9), Coordinator.IntervalMismatch.selector, "interval 9"
        );
        assertEq(coordinator.id(), 1, "id");
    }

    function test_deliverComputeDelegatee_revertsForTheSameNodeTwice() public {
        Signed memory order = redundant(2, 0);
        callAs(node, address(coordinator), signedDelivery(order, 1));

        assertReverts(
            node, address(coordinator), signedDelivery(order, 1), Coordinator.NodeRespondedAlready.selector, "twice"
        );
    }

    function test_deliverComputeDelegatee_cannotBeNested() public {
        Signed memory order = redundant(9, 0);
        RecordingConsumer(OWNER_A).reactWith(address(coordinator), signedDelivery(order, 1));

        assertReverts(
            node, address(coordinator), signedDelivery(order, 1), ReentrancyGuard.Reentrancy.selector, "nested"
        );
    }
}
