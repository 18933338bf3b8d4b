// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {PaidInfernetTest} from "../../mocks/infernet/PaidInfernetTest.sol";
import {Vm} from "../../utils/Vm.sol";

/// @dev Which arguments are indexed, told from the logs: the topic of an event does not show it.
contract InfernetEventsTest is PaidInfernetTest {
    function word(address account) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(account)));
    }

    function assertLog(Vm.Log memory log, address emitter, bytes32[4] memory topics, bytes memory data, string memory what)
        internal
        pure
    {
        assertEq(log.emitter, emitter, string.concat(what, ": emitter"));
        for (uint256 i = 0; i < log.topics.length; i++) {
            assertEq(log.topics[i], topics[i], string.concat(what, ": topic"));
        }
        assertTrue(log.topics.length == 4 || topics[log.topics.length] == 0, string.concat(what, ": topics"));
        assertEq(log.data, data, string.concat(what, ": data"));
    }

    function test_coordinator_logs() public {
        fundBoth();
        vm.recordLogs();
        uint32 id = ask(NATIVE, AMOUNT, address(verifier));
        consumer.cancel(id);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2, "created and cancelled");
        assertLog(
            logs[0],
            address(coordinator),
            [bytes32(0x04344ed7a67fec80c444d56ee1cee242f3f75b91fecc8dbce8890069c82eb48e), bytes32(uint256(id)), 0, 0],
            "",
            "SubscriptionCreated"
        );
        assertLog(
            logs[1],
            address(coordinator),
            [bytes32(0xf4126e31c182db4c4109605c6d50470fc7e8ca90d62d44fd25cbe049fb9cac3e), bytes32(uint256(id)), 0, 0],
            "",
            "SubscriptionCancelled"
        );

        id = ask(NATIVE, AMOUNT, address(verifier));
        vm.recordLogs();
        deliverPaid(id);
        logs = vm.getRecordedLogs();
        assertEq(logs.length, 6, "three transfers, two locks, one answer");
        assertLog(
            logs[5],
            address(coordinator),
            [
                bytes32(0xc68fb0ae5cea2793405d29014d881bcda18f67122e0bcd7d0a577e118b64e4c8),
                bytes32(uint256(id)),
                word(node),
                0
            ],
            "",
            "SubscriptionFulfilled"
        );

        vm.recordLogs();
        verifier.finalize(id, 1, node, true);
        logs = vm.getRecordedLogs();
        assertEq(logs.length, 4, "two unlocks, one transfer, one verdict");
        assertLog(
            logs[3],
            address(coordinator),
            [
                bytes32(0xaf1556610075709bf885e17681512d329b1a40f799ee5196f79461e89b656454),
                bytes32(uint256(id)),
                bytes32(uint256(1)),
                word(node)
            ],
            abi.encode(true, address(verifier), true),
            "ProofVerified"
        );
    }

    function test_wallet_logs() public {
        vm.deal(address(consumerWallet), 10);
        vm.recordLogs();
        approveConsumer(NATIVE, 9);
        callAs(
            address(coordinator),
            address(consumerWallet),
            abi.encodeCall(Wallet.cLock, (address(consumer), NATIVE, 4))
        );
        callAs(
            address(coordinator),
            address(consumerWallet),
            abi.encodeCall(Wallet.cTransfer, (address(consumer), NATIVE, node, 3))
        );
        callAs(consumerOwner, address(consumerWallet), abi.encodeCall(Wallet.withdraw, (NATIVE, 2)));

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 4, "logs");
        bytes32 spender = word(address(consumer));
        assertLog(
            logs[0],
            address(consumerWallet),
            [bytes32(0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925), spender, 0, 0],
            abi.encode(NATIVE, 9),
            "Approval"
        );
        assertLog(
            logs[1],
            address(consumerWallet),
            [bytes32(0x813582499997f00ba0142c7813740a6e381df71a63d11d8c8f208f66b7795d26), spender, 0, 0],
            abi.encode(NATIVE, 4, true),
            "Escrow"
        );
        assertLog(
            logs[2],
            address(consumerWallet),
            [bytes32(0xd1398bee19313d6bf672ccb116e51f4a1a947e91c757907f51fbb5b5e56c698f), spender, word(node), 0],
            abi.encode(NATIVE, 3),
            "Transfer"
        );
        assertLog(
            logs[3],
            address(consumerWallet),
            [bytes32(0x65ac0d8bb8cbc0e989ebd02ddc5161d7c499f7c21792e43fcf170314fe6bcc3f), 0, 0, 0],
            abi.encode(NATIVE, 2),
            "Withdrawl"
        );
    }

    function test_walletFactory_logs() public {
        vm.recordLogs();
        address wallet = walletFactory.createWallet(node);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2, "logs");
        assertLog(
            logs[0],
            wallet,
            [bytes32(0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0), 0, word(node), 0],
            "",
            "OwnershipTransferred"
        );
        assertLog(
            logs[1],
            address(walletFactory),
            [
                bytes32(0xca0b7dde26052d34217ef1a0cee48085a07ca32da0a918609937a307d496bbf5),
                word(address(this)),
                word(node),
                0
            ],
            abi.encode(wallet),
            "WalletCreated"
        );
    }

    function test_inbox_logs() public {
        bytes32 containerId = keccak256("containers");
        vm.recordLogs();
        inbox.write(containerId, "", "", "");

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1, "logs");
        assertLog(
            logs[0],
            address(inbox),
            [
                bytes32(0xac56b74ea9119b4c4e424d8ed4c3cec0c84d1f6b02200df5a8cd27eb756994d1),
                containerId,
                word(address(this)),
                0
            ],
            abi.encode(0),
            "NewInboxItem"
        );
    }
}
