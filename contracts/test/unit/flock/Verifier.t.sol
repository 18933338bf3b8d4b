// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {FlockUsageVerifier} from "../../../src/FlockUsageVerifier.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IReceiptVerifier} from "../../../src/interfaces/IReceiptVerifier.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title Infernet payments that depend on the usage receipt.
contract VerifierTest is FlockTest {
    uint256 internal constant PAYMENT = 1 ether;

    FlockUsageVerifier internal verifier;
    Wallet internal hostWallet;
    Wallet internal nodeWallet;

    function setUp() public override {
        super.setUp();
        verifier = new FlockUsageVerifier(address(infernetRegistry), address(meter));
        hostWallet = Wallet(payable(walletFactory.createWallet(host)));
        nodeWallet = Wallet(payable(walletFactory.createWallet(node)));
        vm.deal(address(hostWallet), 5 ether);
        vm.deal(address(nodeWallet), 5 ether);
        vm.startPrank(host);
        hostWallet.approve(address(consumer), address(0), 5 ether);
        consumer.setNodePayment(
            IModelHostConsumer.NodePayment({
                token: address(0),
                amount: PAYMENT,
                wallet: address(hostWallet),
                verifier: address(verifier)
            })
        );
        vm.stopPrank();
        vm.prank(node);
        nodeWallet.approve(node, address(0), 5 ether);
    }

    function test_payment_isReleasedOnAValidReceipt() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);

        _deliver(id, output(receipt), abi.encode(receipt, sign(receipt)));

        assertEq(address(nodeWallet).balance, 6 ether, "node is paid");
        assertEq(address(hostWallet).balance, 4 ether, "by the host");
        assertTrue(distributor.claimableHost(modelId) > 0, "usage is booked");
        assertTrue(!verifier.isRejected(id, 1, node), "not rejected");
    }

    function test_bond_isTakenForAForgedReceipt() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory forged = sign(receipt, "somebody else");
        bytes memory reason =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);

        vm.expectEmit(address(verifier));
        emit IReceiptVerifier.ReceiptRejected(id, 1, node, reason);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerRefused(receipt.requestId, 1, node, reason);
        _deliver(id, output(receipt), abi.encode(receipt, forged));

        assertEq(address(nodeWallet).balance, 4 ether, "node is fined");
        assertEq(address(hostWallet).balance, 6 ether, "host keeps its payment and gets the bond");
        assertEq(distributor.claimableHost(modelId), 0, "no usage");
        assertEq(meter.progressOf(receipt.requestId).deliveriesLeft, 1, "escrow is untouched");
    }

    function test_bond_isTakenForProofsThatAreNone() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);

        _deliver(id, output(receipt), "not a proof");

        assertEq(address(nodeWallet).balance, 4 ether, "node is fined");
    }

    function test_delivery_revertsWhenTheAnswerIsNotTheReceipts() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory other = bytes("another answer, long enough to hold the tokens");
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.expectRevert(
            abi.encodeWithSelector(
                IUsageMeter.ReceiptOutputMismatch.selector, keccak256(other), receipt.outputHash
            )
        );
        _deliver(id, abi.encode(other, abi.encode(receipt)), proof);
    }

    function test_requestProofVerification_isForTheCoordinatorAlone() public {
        vm.expectRevert(abi.encodeWithSelector(IReceiptVerifier.NotCoordinator.selector, node));
        vm.prank(node);
        verifier.requestProofVerification(1, 1, node, "");
    }

    function test_terms_areFreeForEveryToken() public view {
        assertEq(verifier.fee(address(token)), 0, "fee");
        assertTrue(verifier.isSupportedToken(address(0)), "native coin");
        assertEq(verifier.getWallet(), address(verifier), "wallet");
    }

    function _deliver(uint32 id, bytes memory output_, bytes memory proof) private {
        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", output_, proof, address(nodeWallet));
    }
}
