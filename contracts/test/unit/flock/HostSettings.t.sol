// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Wallet} from "infernet-sdk/payments/Wallet.sol";
import {IModelHostConsumer} from "../../../src/interfaces/IModelHostConsumer.sol";
import {UsageReceipt} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title What a host sets at its consumer: what Infernet pays nodes, and who signs delegated subscriptions.
contract HostSettingsTest is FlockTest {
    function test_constructor_readsItsSurroundingsFromTheMeter() public view {
        assertEq(consumer.HOST(), host, "host");
        assertEq(consumer.METER(), address(meter), "meter");
        assertEq(consumer.MODELS(), address(models), "registry");
        assertEq(consumer.DISTRIBUTOR(), address(distributor), "distributor");
        assertEq(consumer.PAYMENT_TOKEN(), address(token), "payment token");
    }

    function test_settings_areForTheHostAlone() public {
        bytes memory refused = abi.encodeWithSelector(IModelHostConsumer.NotHost.selector, requester);
        vm.startPrank(requester);
        vm.expectRevert(refused);
        consumer.setNodePayment(_payment(host));
        vm.expectRevert(refused);
        consumer.setDelegateSigner(requester);
    }

    function test_setNodePayment_paysNodesFromTheHostsWallet() public {
        Wallet wallet = Wallet(payable(walletFactory.createWallet(host)));
        address nodeWallet = walletFactory.createWallet(node);
        vm.deal(address(wallet), 1 ether);
        vm.startPrank(host);
        wallet.approve(address(consumer), address(0), 1 ether);
        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.NodePaymentSet(_payment(address(wallet)));
        consumer.setNodePayment(_payment(address(wallet)));
        vm.stopPrank();
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);

        vm.prank(node);
        coordinator.deliverCompute(id, 1, "", output(receipt), signature, nodeWallet);

        assertEq(nodeWallet.balance, 0.01 ether, "the node is paid by Infernet");
        assertEq(address(wallet).balance, 0.99 ether, "from the host's wallet");
    }

    /// Without a wallet nothing of a payment reaches Infernet, which would refuse every delivery for it.
    function test_setNodePayment_paysNothingWithoutAWallet() public {
        vm.prank(host);
        consumer.setNodePayment(_payment(address(0)));
        uint32 id = ask();

        assertEq(coordinator.getSubscription(id).paymentAmount, 0, "unpaid");
        answer(id);
        assertTrue(distributor.claimableHost(modelId) != 0, "and answered");
    }

    function test_setNodePayment_isForRequestsToCome() public {
        uint32 id = ask();
        address wallet = walletFactory.createWallet(host);
        vm.prank(host);
        consumer.setNodePayment(_payment(wallet));

        assertEq(coordinator.getSubscription(id).paymentAmount, 0, "as it was made");
        assertEq(coordinator.getSubscription(ask()).paymentAmount, 0.01 ether, "from now on");
    }

    function test_setDelegateSigner_changesWhoSigns() public {
        assertEq(consumer.getSigner(), host, "at first");

        vm.expectEmit(address(consumer));
        emit IModelHostConsumer.DelegateSignerSet(signer);
        vm.prank(host);
        consumer.setDelegateSigner(signer);

        assertEq(consumer.getSigner(), signer, "afterwards");
    }

    function _payment(address wallet) private pure returns (IModelHostConsumer.NodePayment memory) {
        return IModelHostConsumer.NodePayment({
            token: address(0),
            amount: 0.01 ether,
            wallet: wallet,
            verifier: address(0)
        });
    }
}
