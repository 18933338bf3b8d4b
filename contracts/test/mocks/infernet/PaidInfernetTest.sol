// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {Fee} from "infernet-sdk/payments/Fee.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {InfernetTest} from "./InfernetTest.sol";
import {MockVerifier} from "./MockVerifier.sol";
import {RecordingConsumer} from "./RecordingConsumer.sol";

/// @title A consumer and a node with a wallet each, and a protocol fee of 500 basis points.
abstract contract PaidInfernetTest is InfernetTest {
    uint256 internal constant AMOUNT = 1 ether;
    uint256 internal constant VERIFIER_FEE = 0.1 ether;
    uint256 internal constant PROOF_WINDOW_SEC = 7 days;
    uint256 internal constant LOCKED_BALANCE_SLOT = 0;

    address internal consumerOwner = actor("consumer's owner");
    address internal verifierPayee = actor("verifier's payee");
    RecordingConsumer internal consumer;
    MockVerifier internal verifier;
    Wallet internal consumerWallet;
    Wallet internal nodeWallet;

    function setUp() public virtual override {
        super.setUp();
        setFee(500);
        consumer = new RecordingConsumer(address(registry), NATIVE);
        verifier = new MockVerifier(coordinator);
        verifier.setWallet(verifierPayee);
        verifier.set(NATIVE, true, VERIFIER_FEE);
        consumerWallet = Wallet(payable(walletFactory.createWallet(consumerOwner)));
        nodeWallet = Wallet(payable(walletFactory.createWallet(node)));
    }

    function setFee(uint16 feeBps) internal {
        callAs(protocol, address(fee), abi.encodeCall(Fee.updateFee, (feeBps)));
    }

    function approveConsumer(address token, uint256 amount) internal {
        bytes memory call = abi.encodeCall(Wallet.approve, (address(consumer), token, amount));
        callAs(consumerOwner, address(consumerWallet), call);
    }

    function approveNode(address token, uint256 amount) internal {
        callAs(node, address(nodeWallet), abi.encodeCall(Wallet.approve, (node, token, amount)));
    }

    /// @dev Gives both wallets one payment in the native coin and approves it.
    function fundBoth() internal {
        vm.deal(address(consumerWallet), AMOUNT);
        vm.deal(address(nodeWallet), AMOUNT);
        approveConsumer(NATIVE, AMOUNT);
        approveNode(NATIVE, AMOUNT);
    }

    function ask(address token, uint256 amount, address verifier_) internal returns (uint32) {
        return consumer.create(CONTAINERS, 1, 0, 9, false, token, amount, address(consumerWallet), verifier_);
    }

    function deliverPaid(uint32 id) internal {
        deliver(node, id, 1, address(nodeWallet));
    }

    function finalization(uint32 id, bool valid) internal view returns (bytes memory) {
        return abi.encodeCall(Coordinator.finalizeProofVerification, (id, 1, node, valid));
    }

    function lockedOf(Wallet wallet, address token) internal view returns (uint256) {
        return uint256(vm.load(address(wallet), keccak256(abi.encode(token, LOCKED_BALANCE_SLOT))));
    }

    function setLocked(Wallet wallet, address token, uint256 amount) internal {
        vm.store(address(wallet), keccak256(abi.encode(token, LOCKED_BALANCE_SLOT)), bytes32(amount));
    }

    function assertBalances(uint256 consumer_, uint256 node_, uint256 protocol_, uint256 verifier_) internal view {
        assertEq(address(consumerWallet).balance, consumer_, "consumer's wallet");
        assertEq(address(nodeWallet).balance, node_, "node's wallet");
        assertEq(protocol.balance, protocol_, "protocol");
        assertEq(verifierPayee.balance, verifier_, "verifier");
    }
}
