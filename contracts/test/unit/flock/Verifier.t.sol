// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {FlockUsageVerifier} from "../../../src/FlockUsageVerifier.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IReceiptVerifier} from "../../../src/interfaces/IReceiptVerifier.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Order, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {MockVerifier} from "../../mocks/infernet/MockVerifier.sol";
import {OrderTest} from "../../mocks/OrderTest.sol";
import {Vm} from "../../utils/Vm.sol";

/// @title Infernet payments that depend on the usage receipt.
contract VerifierTest is OrderTest {
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

    function test_delivery_revertsWhenTheAnswerIsTooShortForTheTokens() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, uint32(ANSWER.length) + 1);
        bytes memory proof = abi.encode(receipt, sign(receipt));

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.UsageAboveBytes.selector, ANSWER.length + 1, ANSWER.length)
        );
        _deliver(id, output(receipt), proof);
    }

    /// The proof names one receipt, the output another, both signed.
    function test_delivery_revertsWhenProofAndOutputHoldTwoReceipts() public {
        uint32 id = ask();
        UsageReceipt memory proven = receiptFor(id, 1, node, 17, 23);
        UsageReceipt memory dearer = receiptFor(id, 1, node, 18, 23);
        bytes memory proof = abi.encode(proven, sign(proven));

        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(dearer), signer)
        );
        _deliver(id, output(dearer), proof);
    }

    function test_bond_isTakenForLazyAnswersToo() public {
        IModelHostConsumer.RequestParams memory lazy = params();
        lazy.lazy = true;
        uint32 id = ask(lazy);
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);

        _deliver(id, output(receipt), abi.encode(receipt, sign(receipt, "somebody else")));

        assertEq(address(nodeWallet).balance, 4 ether, "node is fined");
        assertEq(distributor.claimableHost(modelId), 0, "no usage");
    }

    function test_payment_isReleasedForAnOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);

        _deliverOrder(receipt, proofFor(o, receipt));

        assertEq(address(nodeWallet).balance, 6 ether, "node is paid");
        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "usage is paid from the balance");
    }

    function test_bond_isTakenForAForgedReceiptOfAnOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory reason =
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer);
        uint32 id = coordinator.id();
        bytes memory proof = orderProof(o, "requester", receipt, sign(receipt, "somebody else"));

        vm.expectEmit(address(verifier));
        emit IReceiptVerifier.ReceiptRejected(id, 1, node, reason);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerRefused(meter.requestIdOf(address(consumer), id), 1, node, reason);
        _deliverOrder(receipt, proof);

        assertEq(address(nodeWallet).balance, 4 ether, "node is fined");
        assertEq(distributor.balanceOf(requester), DEPOSIT, "nothing was taken");
    }

    /// Everything that a proof says by itself: what the node could have seen before it sent it.
    function test_bond_isTakenForWhatTheProofSays() public {
        vm.deal(address(nodeWallet), 10 ether);
        vm.prank(node);
        nodeWallet.approve(node, address(0), 10 ether);
        UsageReceipt memory receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.requestId = "another";
        _fined(receipt, IUsageMeter.ReceiptRequestMismatch.selector);
        receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.modelId = ModelId.wrap("another");
        _fined(receipt, IUsageMeter.ReceiptModelMismatch.selector);
        receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.requester = host;
        _fined(receipt, IUsageMeter.ReceiptRequesterMismatch.selector);
        receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.node = secondNode;
        _fined(receipt, IUsageMeter.ReceiptNodeMismatch.selector);
        receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.interval = 2;
        _fined(receipt, IUsageMeter.ReceiptIntervalMismatch.selector);
        receipt = receiptFor(ask(), 1, node, 17, 23);
        receipt.inputHash = "another";
        _fined(receipt, IUsageMeter.ReceiptInputMismatch.selector);
        _fined(receiptFor(ask(), 1, node, 101, 23), IUsageMeter.UsageAboveCap.selector);
    }

    function test_bond_isTakenForMorePromptTokensThanBytes() public {
        Terms memory wide = terms();
        wide.maxPromptTokens = 1_000;
        vm.prank(host);
        models.updateTerms(modelId, wide);

        _fined(receiptFor(ask(), 1, node, uint32(PROMPT.length) + 129, 23), IUsageMeter.UsageAboveBytes.selector);
    }

    /// What others brought about while the node was at work undoes the delivery, and the node keeps its bond.
    function test_delivery_revertsWithoutAFineForWhatOthersDid() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        vm.prank(host);
        models.updateNodes(modelId, one(secondNode));
        _unfined(id, receipt, abi.encodeWithSelector(IUsageMeter.NodeNotListed.selector, modelId, node));
        vm.prank(host);
        models.updateNodes(modelId, one(node));

        vm.warp(1_700_000_000 + 1 hours + 1);
        _unfined(
            id,
            receipt,
            abi.encodeWithSelector(IUsageMeter.DeadlinePassed.selector, receipt.requestId, 1_700_000_000 + 1 hours)
        );
        meter.close(address(consumer), id);
        _unfined(id, receipt, abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
    }

    function test_delivery_revertsWithoutAFineForOrdersThatAreNotInOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        _unfinedOrder(
            receipt,
            orderProof(o, "somebody else", receipt, sign(receipt)),
            abi.encodeWithSelector(IUsageMeter.OrderSignatureInvalid.selector, receipt.requestId, requester)
        );
        vm.prank(host);
        models.pause(modelId);
        _unfinedOrder(
            receipt, proofFor(o, receipt), abi.encodeWithSelector(IUsageMeter.ModelNotActive.selector, modelId)
        );
        Terms memory changed = terms();
        changed.requestPrice += 1;
        vm.startPrank(host);
        models.resume(modelId);
        models.updateTerms(modelId, changed);
        vm.stopPrank();
        _unfinedOrder(
            receipt, proofFor(o, receipt), abi.encodeWithSelector(IUsageMeter.TermsChanged.selector, modelId)
        );
    }

    /// The proof is right, so that the node keeps its bond, and the delivery never happened.
    function test_delivery_revertsWhenTheBalanceIsTooLowForTheOrder() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        bytes memory proof = proofFor(o, receipt);
        vm.prank(requester);
        distributor.withdrawBalance(requester, address(0));
        SignedSubscription memory s = signed(_paid(), 1);

        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BalanceInsufficient.selector, requester, 0, FEE));
        vm.prank(node);
        coordinator.deliverComputeDelegatee(
            s.nonce, s.expiry, s.sub, s.v, s.r, s.s, 1, "", output(receipt), proof, address(nodeWallet)
        );
        assertEq(address(nodeWallet).balance, 5 ether, "as before");
    }

    /// Another's verifier says nothing about receipts: what the meter refuses is refused, and the payment with it.
    function test_delivery_revertsWhenTheVerifierKnowsNoReceipts() public {
        MockVerifier foreign = new MockVerifier(coordinator);
        foreign.set(address(0), true, 0);
        foreign.setMode(MockVerifier.Mode.AtomicInvalid);
        _setVerifier(address(foreign));

        _refusedForgery();
    }

    /// Without a payment Infernet asks no verifier, so that nothing was fined.
    function test_delivery_revertsWhenTheVerifierWasNotAsked() public {
        vm.prank(host);
        consumer.setNodePayment(
            IModelHostConsumer.NodePayment({
                token: address(0),
                amount: 0,
                wallet: address(hostWallet),
                verifier: address(verifier)
            })
        );

        _refusedForgery();
    }

    function test_verifier_takesNativeCoinsWithoutKeepingBooks() public {
        vm.deal(host, 1 ether);
        vm.prank(host);
        (bool ok,) = address(verifier).call{value: 1 wei}("");
        assertTrue(ok, "as IVerifier demands");
    }

    function test_checkProof_acceptsAndRefusesAsRecordWould() public {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory proof = abi.encode(receipt, sign(receipt));
        meter.checkProof(address(consumer), id, 1, node, proof);

        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.OutputMalformed.selector, 65));
        meter.checkProof(address(consumer), id, 1, node, new bytes(65));
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.ReceiptNodeMismatch.selector, secondNode, node));
        meter.checkProof(address(consumer), id, 1, secondNode, proof);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, meter.requestIdOf(host, id)));
        meter.checkProof(host, id, 1, node, proof);
        _deliver(id, output(receipt), proof);
        vm.expectRevert(abi.encodeWithSelector(IUsageMeter.RequestNotOpen.selector, receipt.requestId));
        meter.checkProof(address(consumer), id, 1, node, proof);
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

    function _setVerifier(address verifier_) private {
        vm.prank(host);
        consumer.setNodePayment(
            IModelHostConsumer.NodePayment({
                token: address(0),
                amount: PAYMENT,
                wallet: address(hostWallet),
                verifier: verifier_
            })
        );
    }

    function _refusedForgery() private {
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory forged = abi.encode(receipt, sign(receipt, "somebody else"));
        vm.expectRevert(
            abi.encodeWithSelector(IUsageMeter.ReceiptSignatureInvalid.selector, meter.receiptDigest(receipt), signer)
        );
        _deliver(id, output(receipt), forged);
        assertEq(address(nodeWallet).balance, 5 ether, "as before");
    }

    /// @dev A delivery with this receipt, signed, for the last request: refused, and the bond is gone.
    function _fined(UsageReceipt memory receipt, bytes4 reason) private {
        uint32 id = coordinator.id() - 1;
        uint256 bonds = address(nodeWallet).balance;
        bytes memory proof = abi.encode(receipt, sign(receipt));
        vm.recordLogs();

        _deliver(id, output(receipt), proof);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        bytes4 refusal;
        for (uint256 i; i < logs.length; ++i) {
            if (logs[i].topics[0] != IReceiptVerifier.ReceiptRejected.selector) continue;
            refusal = bytes4(abi.decode(logs[i].data, (bytes)));
        }
        assertEq(bytes32(refusal), bytes32(reason), "for this reason");
        assertEq(bonds - address(nodeWallet).balance, PAYMENT, "node is fined");
        assertTrue(verifier.isRejected(id, 1, node), "rejected");
    }

    function _unfined(uint32 id, UsageReceipt memory receipt, bytes memory reason) private {
        bytes memory proof = abi.encode(receipt, sign(receipt));
        vm.expectRevert(reason);
        _deliver(id, output(receipt), proof);
        assertEq(address(nodeWallet).balance, 5 ether, "as before");
        assertTrue(!verifier.isRejected(id, 1, node), "not rejected");
    }

    function _unfinedOrder(UsageReceipt memory receipt, bytes memory proof, bytes memory reason) private {
        SignedSubscription memory s = signed(_paid(), 1);
        vm.expectRevert(reason);
        vm.prank(node);
        coordinator.deliverComputeDelegatee(
            s.nonce, s.expiry, s.sub, s.v, s.r, s.s, 1, "", output(receipt), proof, address(nodeWallet)
        );
        assertEq(address(nodeWallet).balance, 5 ether, "as before");
    }

    /// @dev A delegated subscription that pays its node.
    function _paid() private view returns (Subscription memory sub) {
        sub = subscription();
        sub.verifier = payable(address(verifier));
        sub.paymentAmount = PAYMENT;
        sub.wallet = payable(address(hostWallet));
    }

    function _deliverOrder(UsageReceipt memory receipt, bytes memory proof) private {
        SignedSubscription memory s = signed(_paid(), 1);
        vm.prank(node);
        coordinator.deliverComputeDelegatee(
            s.nonce, s.expiry, s.sub, s.v, s.r, s.s, 1, "", output(receipt), proof, address(nodeWallet)
        );
    }

    function _deliver(uint32 id, bytes memory output_, bytes memory proof) private {
        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", output_, proof, address(nodeWallet));
    }
}
