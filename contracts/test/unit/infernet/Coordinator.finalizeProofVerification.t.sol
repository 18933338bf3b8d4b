// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {Coordinator} from "infernet-sdk/Coordinator.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {PaidInfernetTest} from "../../mocks/infernet/PaidInfernetTest.sol";

contract CoordinatorFinalizeProofVerificationTest is PaidInfernetTest {
    uint32 internal id;

    function setUp() public override {
        super.setUp();
        fundBoth();
        id = ask(NATIVE, AMOUNT, address(verifier));
        deliverPaid(id);
    }

    function finalize(address caller, bool valid) internal {
        callAs(caller, address(coordinator), finalization(id, valid));
    }

    function test_finalizeProofVerification_paysTheNodeWhenValid() public {
        vm.warp(START + PROOF_WINDOW_SEC - 1);

        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, true, address(verifier), true);
        verifier.finalize(id, 1, node, true);

        assertBalances(0, 1.8 ether, 0.105 ether, 0.095 ether);
        assertEq(nodeWallet.allowance(node, NATIVE), AMOUNT, "node's allowance");
    }

    function test_finalizeProofVerification_slashesTheNodeWhenInvalid() public {
        vm.expectEmit(address(nodeWallet));
        emit Wallet.Escrow(node, NATIVE, AMOUNT, false);
        vm.expectEmit(address(consumerWallet));
        emit Wallet.Escrow(address(consumer), NATIVE, 0.8 ether, false);
        vm.expectEmit(address(nodeWallet));
        emit Wallet.Transfer(node, NATIVE, address(consumerWallet), AMOUNT);
        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, true, address(verifier), false);
        verifier.finalize(id, 1, node, false);

        assertBalances(1.8 ether, 0, 0.105 ether, 0.095 ether);
        assertEq(consumerWallet.allowance(address(consumer), NATIVE), 0.8 ether, "consumer's allowance");
    }

    function test_finalizeProofVerification_paysTheNodeAfterExpiryWhateverIsSaid() public {
        vm.warp(START + PROOF_WINDOW_SEC);

        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, false, stranger, false);
        finalize(stranger, false);

        assertBalances(0, 1.8 ether, 0.105 ether, 0.095 ether);
    }

    function test_finalizeProofVerification_echoesValidAfterExpiry() public {
        vm.warp(START + PROOF_WINDOW_SEC + 1);

        vm.expectEmit(address(coordinator));
        emit Coordinator.ProofVerified(id, 1, node, false, node, true);
        finalize(node, true);

        assertBalances(0, 1.8 ether, 0.105 ether, 0.095 ether);
    }

    /// @dev Every case but the last also violates all the conditions that come after the one it is about.
    function test_finalizeProofVerification_checksInOrder() public {
        vm.deal(address(consumerWallet), 0);
        setLocked(nodeWallet, NATIVE, 0);
        setLocked(consumerWallet, NATIVE, 0);
        address target = address(coordinator);
        assertReverts(
            stranger, target, finalization(id + 1, true), Coordinator.ProofRequestNotFound.selector, "1: unknown"
        );

        assertReverts(
            stranger, target, finalization(id, true), Wallet.InsufficientFunds.selector, "2: the bond is not locked"
        );
        setLocked(nodeWallet, NATIVE, AMOUNT);
        assertReverts(
            stranger, target, finalization(id, true), Wallet.InsufficientFunds.selector, "2: the escrow is not locked"
        );

        setLocked(consumerWallet, NATIVE, 0.8 ether);
        assertReverts(stranger, target, finalization(id, true), Coordinator.UnauthorizedVerifier.selector, "4");

        assertReverts(
            address(verifier), target, finalization(id, true), SafeTransferLib.ETHTransferFailed.selector, "5"
        );
    }

    function test_finalizeProofVerification_happensOnce() public {
        verifier.finalize(id, 1, node, true);

        assertReverts(
            address(verifier),
            address(coordinator),
            finalization(id, false),
            Coordinator.ProofRequestNotFound.selector,
            "again"
        );
        (uint32 expiry, Wallet wallet, uint256 escrowed) = coordinator.proofRequests(deliveryKey(id, 1, node));
        assertEq(uint256(expiry) + uint160(address(wallet)) + escrowed, 0, "nothing is left");
    }

    function test_finalizeProofVerification_knowsTheNodeByItsAccount() public {
        bytes memory call =
            abi.encodeCall(Coordinator.finalizeProofVerification, (id, 1, address(nodeWallet), true));
        assertReverts(
            address(verifier), address(coordinator), call, Coordinator.ProofRequestNotFound.selector, "its wallet"
        );
    }

    function test_finalizeProofVerification_worksOnCancelledSubscriptions() public {
        consumer.cancel(id);

        verifier.finalize(id, 1, node, true);

        assertBalances(0, 1.8 ether, 0.105 ether, 0.095 ether);
    }

    function test_finalizeProofVerification_worksDuringADelivery() public {
        vm.deal(address(consumerWallet), 1.8 ether);
        approveConsumer(NATIVE, AMOUNT);
        vm.warp(START + PROOF_WINDOW_SEC);
        consumer.reactWith(address(coordinator), finalization(id, true));

        deliverPaid(ask(NATIVE, AMOUNT, NATIVE));

        assertBalances(0, 1 ether + 0.8 ether + 0.9 ether, 0.205 ether, 0.095 ether);
    }

    /// @dev H1: payments do not look at locks.
    function test_finalizeProofVerification_failsWhileEscrowedCoinsAreSpent() public {
        approveConsumer(NATIVE, 0.5 ether);
        deliverPaid(ask(NATIVE, 0.5 ether, NATIVE));
        assertEq(address(consumerWallet).balance, 0.3 ether, "less than is locked");

        assertReverts(
            address(verifier),
            address(coordinator),
            finalization(id, true),
            SafeTransferLib.ETHTransferFailed.selector,
            "finalize"
        );
        assertReverts(
            consumerOwner,
            address(consumerWallet),
            abi.encodeCall(Wallet.withdraw, (NATIVE, 1)),
            panic(0x11),
            "withdraw"
        );
        assertReverts(
            address(coordinator),
            address(consumerWallet),
            abi.encodeCall(Wallet.cLock, (address(consumer), NATIVE, 1)),
            panic(0x11),
            "lock"
        );

        vm.deal(address(consumerWallet), 0.8 ether);
        verifier.finalize(id, 1, node, true);
        assertEq(address(nodeWallet).balance, 1 ether + 0.45 ether + 0.8 ether, "node's wallet");
    }
}
