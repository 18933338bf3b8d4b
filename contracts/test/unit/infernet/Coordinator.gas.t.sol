// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {InfernetTest} from "../../mocks/infernet/InfernetTest.sol";
import {TrivialConsumer} from "../../mocks/infernet/TrivialConsumer.sol";

/// @dev Bounds, not snapshots: what work costs on a local chain should tell what it costs on a public one.
contract CoordinatorGasTest is InfernetTest {
    /// @dev What a call to a contract costs here and not in a transaction, whose target is warm from the start.
    uint256 internal constant COLD_TARGET = 2_500;
    /// @dev What a transaction gets back for setting the reentrancy guard to the value it had (EIP-3529).
    uint256 internal constant GUARD_REFUND = 2_800;

    TrivialConsumer internal consumer;
    uint32 internal id;

    function setUp() public override {
        super.setUp();
        // The first delivery of a chain also pays for the slot of the reentrancy guard.
        consumer = new TrivialConsumer(address(registry));
        deliver(node, consumer.ask(CONTAINERS), 1, NATIVE);
        id = consumer.ask(CONTAINERS);
    }

    function test_createSubscription_costsAboutWhatItCostsElsewhere() public {
        bytes memory data = abi.encodeCall(TrivialConsumer.ask, (CONTAINERS));
        vm.cool(address(consumer));
        vm.cool(address(coordinator));
        vm.prank(node);
        uint256 before = gasleft();
        (bool success,) = address(consumer).call(data);
        uint256 spent = before - gasleft();
        assertTrue(success, "created");
        assertLe(spent + intrinsicGas(data) - COLD_TARGET, 112_000, "at most");
        assertGe(spent + intrinsicGas(data) - COLD_TARGET, 108_000, "at least");
    }

    function test_deliverCompute_costsAboutWhatItCostsElsewhere() public {
        bytes memory output = abi.encode(keccak256("1"), keccak256("2"), keccak256("3"), keccak256("4"));
        bytes memory data = abi.encodeCall(Coordinator.deliverCompute, (id, 1, "", output, "", NATIVE));
        vm.cool(address(consumer));
        vm.cool(address(coordinator));
        vm.prank(node);
        uint256 before = gasleft();
        (bool success,) = address(coordinator).call(data);
        uint256 spent = before - gasleft();
        assertTrue(success, "delivered");
        assertLe(spent + intrinsicGas(data) - COLD_TARGET - GUARD_REFUND, 97_000, "at most");
        assertGe(spent + intrinsicGas(data) - COLD_TARGET - GUARD_REFUND, 93_000, "at least");
    }

    /// @dev What a transaction costs before its first opcode: 21,000, 16 a byte, 4 a zero byte.
    function intrinsicGas(bytes memory data) internal pure returns (uint256 gas_) {
        gas_ = 21_000;
        for (uint256 i = 0; i < data.length; i++) {
            gas_ += data[i] == 0 ? 4 : 16;
        }
    }
}
