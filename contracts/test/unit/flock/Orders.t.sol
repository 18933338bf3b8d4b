// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Subscription} from "infernet-sdk/Coordinator.sol";
import {EIP712Coordinator} from "infernet-sdk/EIP712Coordinator.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Order, Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {OrderTest} from "../../mocks/OrderTest.sol";
import {SignerWallet} from "../../mocks/SignerWallet.sol";

/// @title Answers that are paid from a balance: nothing is sent before the node delivers.
contract OrdersTest is OrderTest {
    function test_order_isPaidFromTheBalance() public {
        Order memory o = order("salt");

        UsageReceipt memory receipt = answer(o, 1);

        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "the fee alone is taken");
        assertEq(distributor.claimableHost(modelId), FEE, "host gets all without contributors");
        assertEq(distributor.reserves(), DEPOSIT, "all of it is still owed");
        IUsageMeter.Progress memory progress = meter.progressOf(receipt.requestId);
        assertEq(progress.deliveriesLeft, 0, "one answer");
        assertEq(progress.interval, 1, "interval");
        assertEq(progress.answered, 1, "by the first node");
    }

    function test_order_isSplitByItsTerms() public {
        address trainer = actor("trainer");
        address validator = actor("validator");
        attest(
            table(
                modelId,
                contributors(one(trainer), one(uint32(1))),
                contributors(one(validator), one(uint32(1))),
                1
            )
        );

        answer(order("salt"), 1);

        // Both roles together have a half, of which training nodes have three fifths.
        uint256 training = FEE / 2 * 3 / 5;
        uint256 validators = FEE / 2 - training;
        assertEq(distributor.claimableOperator(trainer), training, "training node");
        assertEq(distributor.claimableOperator(validator), validators, "validator");
        assertEq(distributor.claimableHost(modelId), FEE - training - validators, "host");
    }

    function test_order_emitsUsageWithoutARefundAndTheAnswer() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        SignedSubscription memory sub = signed(subscription(), 1);
        bytes memory proof = proofFor(o, receipt);
        bytes32 requestId = meter.orderDigest(o);

        vm.expectEmit(address(meter));
        emit IUsageMeter.UsageRecorded(requestId, modelId, node, 1, 17, 23, FEE, FEE, 0, 0, 0);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.AnswerReceived(requestId, 1, node, ANSWER);
        deliverSigned(sub, receipt, proof);
    }

    /// The type strings and the encoding of EIP-712, written out here.
    function testFuzz_orderDigest_isThatOfEip712(Order calldata o) public view {
        string memory termsType =
            "Terms(uint96 requestPrice,uint80 promptPrice,uint80 completionPrice,uint32 maxPromptTokens,uint32 maxCompletionTokens,uint24 trainingPpm,uint24 validatorPpm)";
        string memory orderType =
            "Order(address consumer,bytes32 modelId,address requester,Terms terms,bytes32 payloadHash,uint32 payloadBytes,uint40 deadline,bytes32 salt)";
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(bytes.concat(bytes(orderType), bytes(termsType))),
                o.consumer,
                o.modelId,
                o.requester,
                keccak256(bytes.concat(keccak256(bytes(termsType)), abi.encode(o.terms))),
                o.payloadHash,
                o.payloadBytes,
                o.deadline,
                o.salt
            )
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("FLock UsageMeter"),
                keccak256("1"),
                block.chainid,
                address(meter)
            )
        );

        assertEq(meter.domainSeparator(), domain, "domain");
        assertEq(meter.orderDigest(o), keccak256(abi.encodePacked(hex"1901", domain, structHash)), "digest");
    }

    function test_order_ofAContractIsSignedByErc1271() public {
        SignerWallet wallet = new SignerWallet(requester);
        vm.prank(requester);
        distributor.deposit(address(wallet), 5e18);
        Order memory o = order("salt");
        o.requester = address(wallet);

        answer(o, 1);

        assertEq(distributor.balanceOf(address(wallet)), 5e18 - FEE, "paid by the contract");
        assertEq(distributor.balanceOf(requester), DEPOSIT, "not by its key");
    }

    function test_order_isPaidFromALockedBalance() public {
        vm.prank(requester);
        distributor.lockBalance(uint40(block.timestamp + 1 days));

        answer(order("salt"), 1);

        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "orders can take from it");
        vm.expectRevert(abi.encodeWithSelector(IRewardDistributor.BalanceLocked.selector, block.timestamp + 1 days));
        vm.prank(requester);
        distributor.withdrawBalance(requester, address(0));
    }

    function test_order_takesTheBalanceToItsLastUnit() public {
        vm.startPrank(requester);
        distributor.withdrawBalance(requester, address(0));
        distributor.deposit(requester, FEE);
        vm.stopPrank();

        answer(order("salt"), 1);

        assertEq(distributor.balanceOf(requester), 0, "all of it");
    }

    function test_order_comesWithEachAnswerOfADelegatedSubscription() public {
        Subscription memory recurring = subscription();
        (recurring.frequency, recurring.period) = (2, 1 hours);
        SignedSubscription memory sub = signed(recurring, 1);
        Order memory first = order("first");
        Order memory second = order("second");
        UsageReceipt memory receipt = receiptFor(first, 1, node, 17, 23);
        deliverSigned(sub, receipt, proofFor(first, receipt));

        vm.warp(1_700_000_000 + 1 hours);
        receipt = receiptFor(second, 2, secondNode, 17, 23);
        deliverSigned(sub, receipt, proofFor(second, receipt));

        assertEq(distributor.balanceOf(requester), DEPOSIT - 2 * FEE, "two orders");
        assertEq(meter.progressOf(receipt.requestId).interval, 2, "interval of the subscription");
        assertEq(meter.progressOf(receipt.requestId).answered, 2, "by the second node");
    }

    function test_orders_ofTwoRequestersAreAnsweredThroughOneSubscription() public {
        address other = actor("other requester");
        vm.prank(requester);
        distributor.deposit(other, DEPOSIT);
        Subscription memory twice = subscription();
        twice.redundancy = 2;
        SignedSubscription memory sub = signed(twice, 1);
        Order memory first = order("salt");
        Order memory second = order("salt");
        second.requester = other;
        UsageReceipt memory receipt = receiptFor(first, 1, node, 17, 23);
        deliverSigned(sub, receipt, proofFor(first, receipt));

        receipt = receiptFor(second, 1, secondNode, 17, 23);
        deliverSigned(sub, receipt, orderProof(second, "other requester", receipt, sign(receipt)));

        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "first");
        assertEq(distributor.balanceOf(other), DEPOSIT - FEE, "second");
    }

    function test_order_isAnsweredLazilyThroughTheInbox() public {
        Subscription memory lazy = subscription();
        lazy.lazy = true;
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);

        deliverSigned(signed(lazy, 1), receipt, proofFor(o, receipt));

        assertEq(distributor.balanceOf(requester), DEPOSIT - FEE, "read from the Inbox");
        assertEq(inbox.read(lazy.containerId, node, 0).output, output(receipt), "kept there");
    }

    function test_order_boundsPromptTokensByItsPayloadAndTheOverhead() public {
        Terms memory wide = terms();
        wide.maxPromptTokens = 1_000;
        vm.prank(host);
        models.updateTerms(modelId, wide);
        Order memory o = order("salt");
        o.payloadBytes = 2;

        UsageReceipt memory receipt = receiptFor(o, 1, node, 131, 5);
        refused(
            o, receipt, proofFor(o, receipt), abi.encodeWithSelector(IUsageMeter.UsageAboveBytes.selector, 131, 130)
        );
        receipt = receiptFor(o, 1, node, 130, 5);
        deliverSigned(signed(subscription(), 1), receipt, proofFor(o, receipt));

        assertEq(meter.progressOf(receipt.requestId).answered, 1, "at the bound");
    }

    function test_order_canBeAnsweredAfterAnAnswerThatWasRefused() public {
        Order memory o = order("salt");
        vm.prank(requester);
        distributor.withdrawBalance(requester, address(0));
        refused(o, abi.encodeWithSelector(IRewardDistributor.BalanceInsufficient.selector, requester, 0, FEE));
        vm.prank(requester);
        distributor.deposit(requester, FEE);

        answer(o, 1);

        assertEq(distributor.balanceOf(requester), 0, "paid");
    }

    function test_deliverComputeDelegatee_isRefusedUnlessTheDelegateSignerSigned() public {
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, 17, 23);
        SignedSubscription memory sub = signed(subscription(), 1);
        bytes memory proof = proofFor(o, receipt);
        vm.prank(host);
        consumer.setDelegateSigner(actor("new signer"));

        vm.expectRevert(EIP712Coordinator.SignerMismatch.selector);
        deliverSigned(sub, receipt, proof);
    }

    function testFuzz_order_costsWhatTheReceiptSays(uint32 prompt, uint32 completion) public {
        prompt = uint32(bound(prompt, 0, 100));
        completion = uint32(bound(completion, 0, ANSWER.length));
        Order memory o = order("salt");
        UsageReceipt memory receipt = receiptFor(o, 1, node, prompt, completion);

        deliverSigned(signed(subscription(), 1), receipt, proofFor(o, receipt));

        uint256 metered = prompt * uint256(333_333_333_333_333_333) + completion * uint256(777_777_777_777_777_777);
        uint256 exact = metered / 1_000_000 + (metered % 1_000_000 == 0 ? 0 : 1) + 1e15;
        assertEq(DEPOSIT - distributor.balanceOf(requester), exact, "rounded up");
        assertEq(distributor.claimableHost(modelId), exact, "and booked");
    }
}
